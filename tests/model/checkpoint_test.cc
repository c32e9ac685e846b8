#include "model/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "model/float_formats.h"
#include "tests/model/support/editable.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {
namespace {

constexpr const char* kQB = "model.layers.0.self_attn.q_b_proj.weight";
constexpr const char* kKvA = "model.layers.0.self_attn.kv_a_proj_with_mqa.weight";
constexpr const char* kKvB = "model.layers.0.self_attn.kv_b_proj.weight";

float dequantized(const MatrixShare& matrix, int64_t row, int64_t column) {
  return matrix.raw(row, column) * matrix.scale(row, column);
}

TEST(Checkpoint, OpensEveryTinyModel) {
  for (const tiny::TinySpec& spec : tiny::tiny_specs()) {
    const Checkpoint checkpoint = Checkpoint::open(tiny_checkpoint(spec));
    EXPECT_EQ(checkpoint.mtp_layers(), 1) << spec.name;
  }
}

TEST(Checkpoint, DecidesPerTensorWhetherItIsFp8) {
  Editable editable("deepseek-v32-tiny");
  editable.replace_with_bf16(kQB, float_to_bf16(0.5F));
  const Checkpoint checkpoint = editable.open();
  EXPECT_FALSE(checkpoint.matrix(kQB).is_fp8());
  EXPECT_EQ(checkpoint.matrix(kQB).raw(1535, 127), 0.5F);
  EXPECT_EQ(checkpoint.matrix(kQB).scale(5, 5), 1.0F);
  EXPECT_TRUE(checkpoint.matrix(kKvA).is_fp8());
}

TEST(Checkpoint, TakesTheScaleOfTheBlock) {
  Editable editable("deepseek-v32-tiny");
  // 576 rows are four and a half blocks: five rows of scales, two columns.
  editable.replace_floats(std::string(kKvA) + "_scale_inv", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const Checkpoint checkpoint = editable.open();
  const MatrixShare kv_a = checkpoint.matrix(kKvA);
  EXPECT_EQ(kv_a.scale(0, 127), 1);
  EXPECT_EQ(kv_a.scale(0, 128), 2);
  EXPECT_EQ(kv_a.scale(128, 0), 3);
  EXPECT_EQ(kv_a.scale(511, 255), 8);
  EXPECT_EQ(kv_a.scale(512, 0), 9);
  EXPECT_EQ(kv_a.scale(575, 255), 10);
}

TEST(Checkpoint, NamesAShardThatShrinksWhileItIsRead) {
  const Editable editable("deepseek-v32-tiny");
  const Checkpoint checkpoint = Checkpoint::open(editable.write());
  checkpoint.require_unchanged();
  std::filesystem::resize_file(editable.file(), 4096);
  try {
    for (const char* name : {kQB, kKvA, kKvB}) (void)dequantized(checkpoint.matrix(name), 0, 0);
    checkpoint.require_unchanged();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with(editable.file() + ": must keep its "))
        << error.what();
  }
}

TEST(Checkpoint, ReadsRowMajorRows) {
  const Checkpoint checkpoint = Checkpoint::open(tiny_checkpoint("glm-5.2-tiny-bf16"));
  const MatrixShare matrix = checkpoint.matrix(kQB);
  uint16_t bits = 0;
  std::memcpy(&bits, matrix.row(3).data() + 2 * 17, sizeof bits);
  EXPECT_EQ(bf16_to_float(bits), matrix.raw(3, 17));
  EXPECT_EQ(matrix.row(3).size(), static_cast<size_t>(2 * matrix.columns));
}

TEST(Checkpoint, SplitsKvBHeadByHeadAcrossScaleBlocks) {
  // GLM's heads have 192 + 256 rows, three and a half blocks.
  const Checkpoint checkpoint = Checkpoint::open(tiny_checkpoint("glm-5-tiny"));
  const MatrixShare kv_b = checkpoint.matrix(kKvB);
  const AbsorbedKv absorbed = checkpoint.absorbed_kv(0);
  ASSERT_EQ(absorbed.w_uk.size(), 4U * 192 * 512);
  ASSERT_EQ(absorbed.w_uv.size(), 4U * 256 * 512);
  for (int head = 0; head < 4; ++head) {
    for (const int row : {0, 63, 64, 191}) {
      EXPECT_EQ(absorbed.w_uk[(head * 192 + row) * 512 + 130],
                float_to_bf16(dequantized(kv_b, head * 448 + row, 130)));
    }
    for (const int row : {0, 127, 128, 255}) {
      EXPECT_EQ(absorbed.w_uv[(head * 256 + row) * 512 + 511],
                float_to_bf16(dequantized(kv_b, head * 448 + 192 + row, 511)));
    }
  }
}

// Sizes that two ranks can share, with heads whose rows straddle blocks.
tiny::TinySpec for_two_ranks(const std::string& name) {
  return tiny::with_changes(tiny::tiny_spec(name), name + "-tp",
                            R"({"intermediate_size": 512, "moe_intermediate_size": 256})");
}

// The same with another number of heads or ids, under another name.
tiny::TinySpec for_two_ranks(const std::string& name, const std::string& suffix,
                             const std::string& changes) {
  return tiny::with_changes(for_two_ranks(name), name + suffix, changes);
}

TEST(Checkpoint, GivesTwoRanksTheHalvesOfEachMatrix) {
  const std::string& directory = tiny_checkpoint(for_two_ranks("deepseek-v32-tiny"));
  const Checkpoint whole = Checkpoint::open(directory);
  const std::string o_name = "model.layers.0.self_attn.o_proj.weight";
  for (int rank = 0; rank < 2; ++rank) {
    const Checkpoint part = Checkpoint::open(directory, {2, rank});
    const MatrixShare rows = part.matrix(kQB);
    EXPECT_EQ(rows.rows, 4 * 192);
    const MatrixShare all_rows = whole.matrix(kQB);
    for (const int row : {0, 127, 128, 767}) {
      EXPECT_EQ(dequantized(rows, row, 5), dequantized(all_rows, rank * 768 + row, 5));
    }
    const MatrixShare columns = part.matrix(o_name);
    EXPECT_EQ(columns.columns, 4 * 128);
    const MatrixShare all_columns = whole.matrix(o_name);
    for (const int column : {0, 127, 128, 511}) {
      EXPECT_EQ(dequantized(columns, 200, column),
                dequantized(all_columns, 200, rank * 512 + column));
    }
    EXPECT_EQ(part.matrix(kKvA).rows, 576) << "replicated";
  }
}

TEST(Checkpoint, CutsKvBBetweenHeadsInsideABlock) {
  // One GLM head a rank: rank 1 begins at row 448, in the middle of a block.
  const std::string& directory = tiny_checkpoint(for_two_ranks(
      "glm-5-tiny", "-two-heads", R"({"num_attention_heads": 2, "num_key_value_heads": 2})"));
  const AbsorbedKv whole = Checkpoint::open(directory).absorbed_kv(1);
  const AbsorbedKv second = Checkpoint::open(directory, {2, 1}).absorbed_kv(1);
  const auto half = [](const std::vector<uint16_t>& all) {
    return std::vector<uint16_t>(all.begin() + static_cast<ptrdiff_t>(all.size() / 2), all.end());
  };
  EXPECT_EQ(second.w_uk, half(whole.w_uk));
  EXPECT_EQ(second.w_uv, half(whole.w_uv));
}

TEST(Checkpoint, CutsOddVocabulariesUnevenly) {
  const std::string& directory =
      tiny_checkpoint(for_two_ranks("glm-5-tiny", "-odd", R"({"vocab_size": 301})"));
  EXPECT_EQ(Checkpoint::open(directory, {2, 0}).matrix("lm_head.weight").rows, 151);
  const Checkpoint last = Checkpoint::open(directory, {2, 1});
  EXPECT_EQ(last.matrix("lm_head.weight").rows, 150);
  EXPECT_EQ(last.local_vocabulary().begin, 151);
  EXPECT_EQ(last.matrix("model.embed_tokens.weight").rows, 301) << "replicated";
}

TEST(Checkpoint, CutsQBBetweenHeadsInsideABlock) {
  // One DeepSeek head has 192 rows: a block and a half.
  const std::string& directory =
      tiny_checkpoint(for_two_ranks("deepseek-v32-tiny", "-two-heads",
                                    R"({"num_attention_heads": 2, "num_key_value_heads": 2})"));
  const Checkpoint whole = Checkpoint::open(directory);
  const Checkpoint second = Checkpoint::open(directory, {2, 1});
  const MatrixShare all_rows = whole.matrix(kQB);
  const MatrixShare rows = second.matrix(kQB);
  EXPECT_EQ(rows.rows, 192);
  for (const int row : {0, 63, 64, 191}) {
    EXPECT_EQ(dequantized(rows, row, 5), dequantized(all_rows, 192 + row, 5)) << row;
  }
}

TEST(Checkpoint, GivesTheFirstRanksOneGroupMoreOfAnMlpThatDoesNotDivide) {
  const std::string& directory = tiny_checkpoint(
      for_two_ranks("deepseek-v32-tiny", "-five-groups", R"({"intermediate_size": 640})"));
  const Checkpoint whole = Checkpoint::open(directory);
  const std::string prefix = "model.layers.0.mlp.";
  const MatrixShare all_rows = whole.matrix(prefix + "gate_proj.weight");
  const MatrixShare all_columns = whole.matrix(prefix + "down_proj.weight");
  for (int rank = 0; rank < 2; ++rank) {
    const Checkpoint part = Checkpoint::open(directory, {2, rank});
    const int width = rank == 0 ? 384 : 256;
    EXPECT_EQ(part.local_width(640), width);
    const MatrixShare gate = part.matrix(prefix + "gate_proj.weight");
    const MatrixShare down = part.matrix(prefix + "down_proj.weight");
    EXPECT_EQ(gate.rows, width);
    EXPECT_EQ(part.matrix(prefix + "up_proj.weight").rows, width);
    EXPECT_EQ(down.columns, width);
    for (const int i : {0, 127, 128, width - 1}) {
      EXPECT_EQ(dequantized(gate, i, 5), dequantized(all_rows, rank * 384 + i, 5));
      EXPECT_EQ(dequantized(down, 7, i), dequantized(all_columns, 7, rank * 384 + i));
    }
  }
}

TEST(Checkpoint, CutsWhatADraftStartsWithByRows) {
  const std::string& directory = tiny_checkpoint(for_two_ranks("deepseek-v32-tiny"));
  const std::string name = "model.layers.3.eh_proj.weight";
  const MatrixShare all_rows = Checkpoint::open(directory).matrix(name);
  const Checkpoint second = Checkpoint::open(directory, {2, 1});
  const MatrixShare rows = second.matrix(name);
  EXPECT_EQ(rows.rows, all_rows.rows / 2);
  EXPECT_EQ(rows.columns, all_rows.columns);
  EXPECT_EQ(second.local_hidden().begin, all_rows.rows / 2);
  EXPECT_EQ(second.local_hidden().end, all_rows.rows);
  for (const int row : {0, 15, 127}) {
    EXPECT_EQ(rows.raw(row, 300), all_rows.raw(all_rows.rows / 2 + row, 300)) << row;
  }
}

TEST(Checkpoint, RefusesAnMlpWithFewerGroupsThanRanks) {
  const std::string& directory = tiny_checkpoint("glm-5.2-tiny-bf16");
  EXPECT_TRUE(message_of([&] {
                (void)Checkpoint::open(directory, {2, 0});
              })
                  .ends_with("model.layers.1.mlp.experts.0.down_proj.weight must be of at least tp "
                             "= 2 times 128 columns, is BF16[256, 128]"));
}

TEST(Checkpoint, RefusesRanksThatDoNotExist) {
  const std::string& directory = tiny_checkpoint("glm-5-tiny");
  EXPECT_EQ(message_of([&] {
              (void)Checkpoint::open(directory, {2, 2});
            }),
            "rank must be from 0 to tp - 1, is 2 with tp = 2");
  EXPECT_EQ(message_of([&] {
              (void)Checkpoint::open(directory, {3, 0});
            }),
            "tp must divide num_attention_heads = 4, is 3");
}

TEST(Checkpoint, NamesAMissingTensor) {
  Editable editable("glm-5-tiny");
  editable.remove("model.layers.2.mlp.experts.7.up_proj.weight");
  EXPECT_TRUE(editable.complaint().ends_with(
      ": tensor model.layers.2.mlp.experts.7.up_proj.weight must be there with shape [128, 256], "
      "is missing"));
}

TEST(Checkpoint, NamesAMisshapenTensor) {
  Editable editable("glm-5-tiny");
  editable.reinterpret("model.norm.weight", StoredType::kBF16, {2, 128});
  EXPECT_EQ(editable.complaint(),
            editable.file() + ": tensor model.norm.weight must be of shape [256], is BF16[2, 128]");
}

TEST(Checkpoint, DemandsTheScaleOfAnFp8Tensor) {
  Editable editable("glm-5-tiny");
  editable.remove(std::string(kQB) + "_scale_inv");
  EXPECT_EQ(editable.complaint(), editable.file() + ": tensor " + kQB + " must be accompanied by " +
                                      kQB + "_scale_inv, is F8_E4M3[1024, 128]");
}

TEST(Checkpoint, DemandsOneScalePerBlock) {
  Editable editable("glm-5-tiny");
  const std::string name = std::string(kKvA) + "_scale_inv";
  editable.replace_floats(name, {1, 2, 3, 4, 5, 6, 7, 8});
  editable.reinterpret(name, StoredType::kF32, {4, 2});
  EXPECT_EQ(editable.complaint(), editable.file() + ": tensor " + name +
                                      " must be F32[5, 2], one scale per 128x128 block of "
                                      "F8_E4M3[576, 256], is F32[4, 2]");
}

TEST(Checkpoint, RejectsAScaleBesideABf16Tensor) {
  Editable editable("glm-5.2-tiny-bf16");
  editable.copy("model.layers.1.mlp.gate.e_score_correction_bias", std::string(kQB) + "_scale_inv");
  EXPECT_EQ(editable.complaint(), editable.file() + ": tensor " + kQB +
                                      " must be F8_E4M3, for it has a " + kQB +
                                      "_scale_inv, is BF16[1024, 128]");
}

TEST(Checkpoint, RejectsOtherTypes) {
  Editable editable("glm-5.2-tiny-bf16");
  editable.reinterpret(kQB, StoredType::kF16, {1024, 128});
  EXPECT_EQ(editable.complaint(),
            editable.file() + ": tensor " + kQB + " must be BF16 or F8_E4M3, is F16[1024, 128]");
}

TEST(Checkpoint, RejectsScalesThatAreNotPositive) {
  Editable editable("deepseek-v32-tiny");
  editable.replace_floats(std::string(kKvA) + "_scale_inv", {1, 2, 3, 4, 5, 6, -7, 8, 9, 10});
  const Checkpoint checkpoint = editable.open();
  EXPECT_EQ(message_of([&] { (void)checkpoint.matrix(kKvA); }),
            editable.file() + ": tensor " + kKvA +
                "_scale_inv[3, 0] must be a positive finite scale, is -7");
}

TEST(Checkpoint, DoesWithoutAnIndexerOnSharedLayers) {
  const Checkpoint checkpoint = Checkpoint::open(tiny_checkpoint("glm-5.2-tiny-bf16"));
  EXPECT_TRUE(checkpoint.contains("model.layers.2.self_attn.indexer.wk.weight"));
  EXPECT_FALSE(checkpoint.contains("model.layers.3.self_attn.indexer.wk.weight"));
}

TEST(Checkpoint, DoesWithoutAnMtpLayer) {
  Editable editable("deepseek-v32-tiny");
  editable.remove_prefix("model.layers.3.");
  EXPECT_EQ(editable.open().mtp_layers(), 0);
}

TEST(Checkpoint, DemandsAWholeMtpLayerWhereThereIsOne) {
  Editable editable("deepseek-v32-tiny");
  editable.remove("model.layers.3.eh_proj.weight");
  EXPECT_NE(editable.complaint().find("model.layers.3.eh_proj.weight must be there"),
            std::string::npos);
}

TEST(Checkpoint, DoesWithoutTheMtpLayersCopies) {
  Editable editable("deepseek-v32-tiny");
  editable.remove("model.layers.3.embed_tokens.weight");
  editable.remove("model.layers.3.shared_head.head.weight");
  EXPECT_EQ(editable.open().mtp_layers(), 1);
}

TEST(Checkpoint, ReadsNormsOfAnyFloatType) {
  const Checkpoint checkpoint = Checkpoint::open(tiny_checkpoint("deepseek-v32-tiny"));
  EXPECT_NEAR(checkpoint.vector("model.norm.weight")[0], 1, 0.5);
  EXPECT_NEAR(checkpoint.vector("model.layers.0.self_attn.indexer.k_norm.weight")[0], 1, 0.5);
}

}  // namespace
}  // namespace slipstream::model::test
