// Checkpoints of other heads, experts, widths and vocabularies than the goldens', on several ranks:
// what one rank answers; what cannot be shared is refused by name.

#include <gtest/gtest.h>

#include "pdl/device.h"
#include "slipstream/error.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/editable.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

struct Shared {
  int ranks;
  model::test::Shape shape;
};

class RanksShapes : public testing::TestWithParam<Shared> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < GetParam().ranks)
      GTEST_SKIP() << "needs " << GetParam().ranks << " GPUs";
  }
};

TEST_P(RanksShapes, AnswerAsOneRankDoes) {
  const std::string& directory = GetParam().shape.directory();
  EngineRunner one(directory, KvFormat::kBf16, 64);
  EngineRunner several(directory, KvFormat::kBf16, 64, GetParam().ranks);
  const model::reference::Matrix expected = forced_logits(one.engine());
  EXPECT_GT(model::test::mean_cosine(forced_logits(several.engine()), expected), 0.995);
}

// Widths in blocks of 128 columns: 5 and 3 over two ranks; 7 and 5 over four; one each over eight.
INSTANTIATE_TEST_SUITE_P(
    Shapes, RanksShapes,
    testing::Values(
        Shared{2,
               {"RanksUnevenWidths", "deepseek-v32-tiny",
                R"({"num_hidden_layers": 2, "intermediate_size": 640, "moe_intermediate_size": 384,
                    "index_topk": 8, "vocab_size": 523})"}},
        Shared{2,
               {"RanksSixHeads", "glm-5-tiny",
                R"({"num_attention_heads": 6, "num_key_value_heads": 6, "hidden_size": 640,
                    "q_lora_rank": 384, "index_topk": 12, "index_n_heads": 17,
                    "n_routed_experts": 13, "moe_intermediate_size": 256,
                    "num_experts_per_tok": 8, "vocab_size": 301, "num_hidden_layers": 2})"}},
        Shared{2,
               {"RanksSharedLists", "glm-5.2-tiny-bf16",
                R"({"num_attention_heads": 2, "num_key_value_heads": 2, "hidden_size": 384,
                    "index_topk": 12, "n_routed_experts": 20, "n_group": 5, "topk_group": 2,
                    "moe_intermediate_size": 256, "vocab_size": 999, "num_hidden_layers": 3,
                    "indexer_types": ["full", "shared", "shared"]})"}},
        Shared{4,
               {"RanksFourUneven", "deepseek-v32-tiny",
                R"({"num_attention_heads": 4, "num_key_value_heads": 4, "hidden_size": 384,
                    "intermediate_size": 896, "moe_intermediate_size": 640, "index_topk": 8,
                    "n_routed_experts": 12, "n_group": 4, "topk_group": 2,
                    "num_hidden_layers": 2, "vocab_size": 517})"}},
        Shared{8,
               {"RanksOneBlockEach", "glm-5-tiny",
                R"({"num_attention_heads": 16, "num_key_value_heads": 16, "hidden_size": 256,
                    "intermediate_size": 1024, "moe_intermediate_size": 1024,
                    "index_topk": 12, "n_routed_experts": 8, "num_hidden_layers": 2,
                    "vocab_size": 39})"}}),
    [](const auto& info) { return info.param.shape.name; });

// What loading on so many ranks says.
std::string complaint_of(int ranks, const model::test::Shape& shape) {
  return model::test::message_of([&] {
    (void)Engine::load(shape.directory(), {.ranks = Ranks::threads(ranks), .lora_norm_eps = {}});
  });
}

TEST(RanksShapes, RefuseHeadsThatRanksCannotShare) {
  if (pdl::device_count() < 2) GTEST_SKIP() << "needs 2 GPUs";
  EXPECT_EQ(complaint_of(2, {"RanksThreeHeads", "glm-5-tiny",
                             R"({"num_attention_heads": 3, "num_key_value_heads": 3,
                                 "moe_intermediate_size": 256, "num_hidden_layers": 2})"}),
            "tp must divide num_attention_heads = 3, is 2");
}

TEST(RanksShapes, RefuseWidthsOfFewerBlocksThanRanks) {
  if (pdl::device_count() < 4) GTEST_SKIP() << "needs 4 GPUs";
  const std::string complaint =
      complaint_of(4, {"RanksNarrow", "deepseek-v32-tiny",
                       R"({"moe_intermediate_size": 384, "intermediate_size": 512,
                           "num_hidden_layers": 2})"});
  EXPECT_NE(complaint.find("model.layers.1.mlp.experts.0.down_proj.weight"), std::string::npos)
      << complaint;
  EXPECT_NE(complaint.find("of at least tp = 4 times 128 columns"), std::string::npos) << complaint;
}

TEST(RanksShapes, RefuseAVocabularyThatLeavesARankNothing) {
  if (pdl::device_count() < 4) GTEST_SKIP() << "needs 4 GPUs";
  EXPECT_EQ(complaint_of(4, {"RanksFewTokens", "deepseek-v32-tiny",
                             R"({"moe_intermediate_size": 512, "intermediate_size": 512,
                                 "num_hidden_layers": 2, "vocab_size": 5})"}),
            "rank 3: tp must leave a part of vocab_size = 5 for rank 3, is 4");
}

}  // namespace
}  // namespace slipstream::engine::test
