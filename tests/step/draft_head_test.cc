// What drafts are chosen with, the head itself or a copy of it as e4m3, changes drafts alone.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"
#include "tests/step/support/drafting.h"

namespace slipstream::step::test {
namespace {

DeviceStep step_with(MtpLoad mtp, const std::string& directory) {
  return drafting_step(directory, /*fp8_rows=*/false, kernels::plain_set(), mtp);
}

std::vector<int> prompt() {
  std::vector<int> ids;
  for (int i = 0; i < 21; ++i) ids.push_back((i * 37 + 11) % 512);
  return ids;
}

struct Outcome {
  std::vector<int> tokens;
  std::vector<std::byte> caches;  // of the model's own layers

  bool operator==(const Outcome&) const = default;
};

Outcome generated(const DeviceStep& step, const SamplingOptions& sampling, int drafts) {
  constexpr size_t kTokens = 8;
  Generated sequence = process_prompt(step, prompt(), 0, sampling);
  generate(step, {&sequence}, drafts, kTokens);
  sequence.tokens.resize(kTokens);
  const int layers = step.checkpoint().config().num_hidden_layers;
  const int written = static_cast<int>(prompt().size() + kTokens) - 1;
  return {sequence.tokens, cache_rows(step, layers, 0, written)};
}

TEST(DraftHead, ChangesNoTokenAndNoCacheRow) {
  const std::string directory =
      model::test::Shape{"DraftHead", "deepseek-v32-tiny",
                         R"({"num_hidden_layers": 1, "first_k_dense_replace": 1,
                             "num_attention_heads": 2, "num_key_value_heads": 2})"}
          .directory();
  const DeviceStep own = step_with(MtpLoad::kLayer, directory);
  const DeviceStep copy = step_with(MtpLoad::kLayerAndFp8Head, directory);
  EXPECT_FALSE(own.weights().mtp()->head.is_fp8);
  EXPECT_TRUE(copy.weights().mtp()->head.is_fp8);
  EXPECT_FALSE(copy.weights().head().is_fp8);
  for (const SamplingOptions& sampling :
       {SamplingOptions{},
        {.temperature = 1, .seed = 5},
        {.temperature = 0.7F, .top_k = 20, .top_p = 0.9F, .seed = 6}}) {
    EXPECT_EQ(generated(own, sampling, /*drafts=*/2), generated(copy, sampling, /*drafts=*/2));
    EXPECT_NE(own.draft_logits(1).values(), copy.draft_logits(1).values());
  }
}

class DraftHeadGolden : public testing::TestWithParam<std::string> {};

// Not the golden's limits, which the head itself keeps: the error of e4m3 weights and activations.
TEST_P(DraftHeadGolden, IsNear) {
  const model::test::Golden golden(GetParam());
  const DeviceStep step =
      step_with(MtpLoad::kLayerAndFp8Head, model::test::tiny_checkpoint(GetParam()));
  for (const double cosine : draft_cosines(step, golden)) EXPECT_GE(cosine, 0.99);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, DraftHeadGolden,
                         testing::ValuesIn(model::test::golden_names()),
                         model::test::checkpoint_test_name);

TEST(DraftHead, TakesHalfTheBytesOfTheHead) {
  const model::Checkpoint checkpoint =
      model::Checkpoint::open(model::test::tiny_checkpoint("deepseek-v32-tiny"));
  const int64_t without = planned_weight_bytes(checkpoint, MtpLoad::kLayer);
  const int64_t with = planned_weight_bytes(checkpoint, MtpLoad::kLayerAndFp8Head);
  const int64_t head = int64_t{checkpoint.config().vocab_size} * checkpoint.config().hidden_size;
  EXPECT_EQ(with - without, head + head / (kernels::kTileRows * kernels::kGroup) * 4);
  EXPECT_EQ(Weights(checkpoint, {}, MtpLoad::kLayerAndFp8Head).bytes(), with);
}

}  // namespace
}  // namespace slipstream::step::test
