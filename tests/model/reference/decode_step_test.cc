// Properties of whole steps that the goldens cannot show.

#include "model/reference/decode_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "model/reference/moe.h"
#include "model/reference/norms.h"
#include "model/reference/rope.h"
#include "tests/model/support/random.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::reference {
namespace {

using test::load_reference;
using test::Mode;
using test::random_matrix;
using test::ReferenceRunner;
using test::tiny_checkpoint;

std::vector<int> some_ids(int count, int vocabulary) {
  std::vector<int> ids;
  for (int i = 0; i < count; ++i) ids.push_back((i * 7919 + 13) % vocabulary);
  return ids;
}

// Logits of every id, processed in chunks.
Matrix run(const Model& model, const std::vector<int>& ids, int chunk) {
  const int count = static_cast<int>(ids.size());
  ReferenceRunner runner(model, count);
  Matrix result(count, model.head.rows);
  for (int first = 0; first < count; first += chunk) {
    const int size = std::min(chunk, count - first);
    const std::vector<int> part(ids.begin() + first, ids.begin() + first + size);
    const Matrix logits = runner.step(part, first).logits;
    std::copy(logits.values().begin(), logits.values().end(), result.row(first).begin());
  }
  return result;
}

class EveryModel : public testing::TestWithParam<std::string> {};

TEST_P(EveryModel, GivesTheSameBitsInChunksAndTokenByToken) {
  const Model model = load_reference(tiny_checkpoint(GetParam()), Mode::kFp8Cache);
  const auto ids = some_ids(70, model.config.vocab_size);
  EXPECT_EQ(run(model, ids, 16).values(), run(model, ids, 1).values());
}

TEST_P(EveryModel, GivesTheSameBitsAloneAndInABatch) {
  const Model model = load_reference(tiny_checkpoint(GetParam()), Mode::kBf16Cache);
  const auto first = some_ids(6, model.config.vocab_size);
  const auto second = some_ids(9, model.config.vocab_size / 2);
  // Two sequences, their pages interleaved, a different number of tokens of each in one step.
  const std::vector<PageTable> pages = {{{2}}, {{1}}};
  auto caches = make_caches(model, 3);
  std::vector<StepToken> tokens;
  for (int i = 0; i < 6; ++i) tokens.push_back({first[i], {0, i}});
  for (int i = 0; i < 9; ++i) tokens.push_back({second[i], {1, i}});
  std::swap(tokens[2], tokens[10]);  // and not in order of sequences
  const Matrix batched = decode_step(model, tokens, pages, caches).logits;

  const Matrix alone = run(model, second, 9);
  EXPECT_TRUE(std::ranges::equal(batched.row(14), alone.row(8)));
  EXPECT_TRUE(std::ranges::equal(batched.row(2), alone.row(4)));
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryModel,
                         testing::Values("deepseek-v32-tiny", "glm-5-tiny", "glm-5.2-tiny-bf16",
                                         "deepseek-v3-tiny"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace_if(
                               name, [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

TEST(DecodeStep, SharedLayersUseTheListOfTheLastFullLayer) {
  const Model model = load_reference(tiny_checkpoint("glm-5.2-tiny-bf16"), Mode::kBf16Cache);
  ReferenceRunner runner(model, 128);
  const StepResult result = runner.step(some_ids(100, 512), 0);
  EXPECT_EQ(result.index_lists[1], result.index_lists[0]);
  EXPECT_EQ(result.index_lists[3], result.index_lists[2]);
  EXPECT_NE(result.index_lists[2], result.index_lists[0]);
}

TEST(DecodeStep, SparseModelWithAWideListEqualsTheDenseModel) {
  // Same seed, so the same weights by name: with every key selected V3.2 is V3.
  const tiny::TinySpec sparse = tiny::with_changes(tiny::tiny_spec("deepseek-v32-tiny"), "v32-wide",
                                                   R"({"index_topk": 2048})");
  tiny::TinySpec dense = tiny::with_changes(
      tiny::tiny_spec("deepseek-v3-tiny"), "v3-same",
      R"({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128],
                                  "scale_fmt": "ue8m0"}})");
  dense.seed = sparse.seed;
  const auto ids = some_ids(80, 512);
  const Matrix a = run(load_reference(tiny_checkpoint(sparse), Mode::kBf16Cache), ids, 16);
  const Matrix b = run(load_reference(tiny_checkpoint(dense), Mode::kBf16Cache), ids, 16);
  EXPECT_EQ(a.values(), b.values());
}

TEST(DecodeStep, ListsAreEveryPositionUpToIndexTopK) {
  const Model model = load_reference(tiny_checkpoint("deepseek-v32-tiny"), Mode::kBf16Cache);
  ReferenceRunner runner(model, 128);
  const StepResult result = runner.step(some_ids(67, 512), 0);
  for (const auto& lists : result.index_lists) {
    for (int position = 0; position < 67; ++position) {
      const auto& list = lists[position];
      ASSERT_EQ(static_cast<int>(list.size()), std::min(position + 1, 64));
      EXPECT_TRUE(std::ranges::is_sorted(list));
      EXPECT_EQ(std::ranges::adjacent_find(list), list.end()) << "positions are distinct";
      EXPECT_LE(list.back(), position);
    }
  }
}

// index_topk as released, around the position where the lists stop to grow.
TEST(DecodeStep, DropsTheWorstKeysBeyond2048) {
  const tiny::TinySpec spec = tiny::with_changes(tiny::tiny_spec("glm-5-tiny"), "glm-2048",
                                                 R"({"index_topk": 2048, "num_hidden_layers": 1})");
  const Model model = load_reference(tiny_checkpoint(spec), Mode::kBf16Cache);
  const IndexerWeights& weights = *model.layers[0].attention.indexer;

  constexpr int kPositions = 2050;
  PageTable table;
  for (int page = 0; page < 33; ++page) table.pages.push_back(32 - page);
  const std::vector<PageTable> pages = {table};
  IndexKeyCache keys(model.numerics, 33);
  const Matrix past = random_matrix(kPositions, kIndexWidth, 5);
  for (int position = 0; position < kPositions; ++position) {
    keys.write(table.slot(position), past.row(position));
  }
  const Matrix hidden = random_matrix(4, 256, 6);
  const Matrix q_latent = random_matrix(4, 128, 7);
  std::vector<TokenPlace> tokens;
  for (int i = 0; i < 4; ++i) tokens.push_back({0, 2046 + i});
  const auto lists = select_keys(model, weights, hidden, q_latent, tokens, pages, keys);
  EXPECT_EQ(lists[0], all_positions(2046));
  EXPECT_EQ(lists[1], all_positions(2047));
  const auto queries = index_queries(model, weights, hidden, q_latent, tokens);
  for (const int token : {2, 3}) {
    auto scores = index_scores(queries[token], keys, table, tokens[token].position);
    std::vector<int> dropped;
    std::ranges::set_difference(all_positions(tokens[token].position), lists[token],
                                std::back_inserter(dropped));
    ASSERT_EQ(static_cast<int>(dropped.size()), token - 1);
    for (const int position : dropped) {
      EXPECT_LE(std::ranges::count_if(scores, [&](float s) { return s < scores[position]; }),
                token - 2);
    }
  }
}

TEST(Attention, CachesKeysRotatedToTheirAbsolutePosition) {
  const Model model = load_reference(tiny_checkpoint("glm-5-tiny"), Mode::kExact);
  const AttentionWeights& weights = model.layers[0].attention;
  const Matrix kv = random_matrix(1, 576, 8);
  LatentCache cache(model.numerics, 2);
  const std::vector<TokenPlace> tokens = {{0, 70}};
  const std::vector<PageTable> pages = {{{1, 0}}};
  write_latent(model, weights, kv, tokens, pages, cache);
  std::vector<float> row(576);
  cache.read(6, row);  // position 70 is row 6 of the second page, which is page 0
  std::vector<float> rope(kv.row(0).begin() + 512, kv.row(0).end());
  rotate(rope, model.inverse_frequencies, 70, RopeLayout::kInterleaved);
  EXPECT_EQ(std::vector<float>(row.begin() + 512, row.end()), rope);
  std::vector<float> latent(512);
  rms_norm(model.numerics, kv.row(0).first(512), weights.kv_a_norm, model.config.lora_norm_eps,
           latent);
  EXPECT_EQ(std::vector<float>(row.begin(), row.begin() + 512), latent);
}

TEST(Attention, WeighsRowsBySoftmaxOfScaledProducts) {
  const Numerics exact = Numerics::exact_mode();
  LatentCache cache(exact, 1);
  std::vector<float> latent(kLatentWidth, 0);
  std::vector<float> rope(kRopeWidth, 0);
  latent[0] = 1;
  cache.write(0, latent, rope);
  latent[0] = 3;
  rope[0] = 10;  // scores count the rope part, values do not
  cache.write(1, latent, rope);
  cache.write(2, std::vector<float>(kLatentWidth, 99), rope);  // not listed
  std::vector<float> query(576, 0);
  query[0] = 1;
  query[512] = 0.1F;
  std::vector<float> result(kLatentWidth);
  attend(exact, query, std::vector<int>{0, 1}, cache, PageTable{{0}}, 0.5, result);
  const double second = 1 / (1 + std::exp(0.5 * 1 - 0.5 * 4));
  EXPECT_NEAR(result[0], (1 - second) * 1 + second * 3, 1e-6);
  EXPECT_EQ(result[1], 0);
}

std::vector<Model> load_ranks(const std::string& directory, int ranks, bool exact) {
  std::vector<Model> models;
  for (int rank = 0; rank < ranks; ++rank) {
    const Checkpoint part = Checkpoint::open(directory, {ranks, rank});
    models.push_back(load_model(part, exact
                                          ? Numerics::exact_mode()
                                          : Numerics::engine(part.config(), LatentFormat::kBf16)));
  }
  return models;
}

// Widths of five and three groups, and as many ids as no number of ranks divides.
std::string uneven_checkpoint(const std::string& name) {
  return tiny_checkpoint(tiny::with_changes(
      tiny::tiny_spec(name), name + "-uneven",
      R"({"intermediate_size": 640, "moe_intermediate_size": 384, "vocab_size": 523})"));
}

TEST(TensorParallel, RanksAddUpToTheWhole) {
  const std::vector<StepToken> tokens = {{17, {0, 0}}, {522, {0, 1}}, {300, {0, 2}}};
  const std::vector<PageTable> pages = {{{0}}};
  for (const std::string name : {"deepseek-v32-tiny", "glm-5-tiny"}) {
    const std::string directory = uneven_checkpoint(name);
    const auto logits_of = [&](int ranks) {
      const std::vector<Model> models = load_ranks(directory, ranks, true);
      auto caches = make_caches(models.front(), 1);
      return decode_step(models, tokens, pages, caches).logits;
    };
    const Matrix whole = logits_of(1);
    const Matrix logits = logits_of(2);
    ASSERT_EQ(logits.columns(), 523);
    EXPECT_LT(test::largest_difference(logits, whole), 1e-4) << name;
  }
}

TEST(TensorParallel, RoundsWhatEachRankAddsAndNotTheSum) {
  const std::vector<Model> ranks = load_ranks(uneven_checkpoint("glm-5-tiny"), 2, false);
  const Matrix x = random_matrix(2, 256, 9);
  const std::vector<TokenPlace> tokens = {{0, 0}, {0, 1}};
  const std::vector<PageTable> pages = {{{0}}};
  const auto with_cache = [&](const auto& run) {
    auto caches = make_caches(ranks.front(), 1);
    IndexLists lists;
    return run(caches[0], lists);
  };
  const Matrix result = with_cache([&](LayerCache& cache, IndexLists& lists) {
    return run_layer(ranks, 0, x, tokens, pages, cache, lists);
  });
  const Model& model = ranks.front();
  const LayerWeights& weights = model.layers[0];
  const auto add_to = [&](Matrix sum, const auto& part) {
    const Matrix first = part(ranks[0]);
    const Matrix second = part(ranks[1]);
    for (size_t i = 0; i < sum.values().size(); ++i) {
      sum.values()[i] = round_to_bf16(first.values()[i]) + round_to_bf16(second.values()[i]) +
                        round_to_bf16(sum.values()[i]);
    }
    return sum;
  };
  const Matrix normed = rms_norm(model.numerics, x, weights.input_norm, model.config.rms_norm_eps);
  const Matrix middle = add_to(x, [&](const Model& rank) {
    return with_cache([&](LayerCache& cache, IndexLists& lists) {
      return attention(rank, rank.layers[0].attention, normed, tokens, pages, cache, lists);
    });
  });
  const Matrix y =
      rms_norm(model.numerics, middle, weights.post_attention_norm, model.config.rms_norm_eps);
  const Matrix expected = add_to(middle, [&](const Model& rank) {
    return gated_mlp(rank.numerics, *rank.layers[0].dense, y);
  });
  EXPECT_EQ(result.values(), expected.values());
}

}  // namespace
}  // namespace slipstream::model::reference
