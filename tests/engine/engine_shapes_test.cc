// The GPU engine on checkpoints of other sizes than the goldens'.

#include <gtest/gtest.h>

#include <array>

#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/shapes.h"

namespace slipstream::engine::test {
namespace {

class EngineShape : public testing::TestWithParam<model::test::Shape> {};

// 133 tokens in chunks and one alone, beyond index_topk.
TEST_P(EngineShape, StaysCloseToTheExactModel) {
  const std::string& directory = GetParam().directory();
  const model::reference::Model exact =
      model::test::load_reference(directory, model::test::Mode::kExact);
  std::vector<int> ids;
  for (int i = 0; i < 134; ++i) ids.push_back((i * 7919 + 5) % exact.config.vocab_size);
  const std::vector<int> prompt(ids.begin(), ids.end() - 1);
  model::test::ReferenceRunner oracle(exact, 192);
  (void)oracle.step(prompt, 0);
  const model::reference::Matrix expected = oracle.step({ids.back()}, 133).logits;

  for (const KvFormat format : {KvFormat::kBf16, KvFormat::kFp8}) {
    EngineRunner runner(directory, format, 192);
    const model::test::Step step = runner.start_sequence();
    (void)step(prompt, 0);
    // The bound that the reference in engine mode is held to.
    EXPECT_GT(model::test::mean_cosine(step({ids.back()}, 133), expected), 0.99);
  }
}

// Rows enough for banded down projections, of few tokens: two layers, of which one has experts.
TEST(EngineBands, StayCloseToTheExactModel) {
  const model::test::Shape shape{
      "Wide", "deepseek-v32-tiny",
      R"({"num_attention_heads": 1, "num_key_value_heads": 1, "hidden_size": 7168,
          "intermediate_size": 128, "moe_intermediate_size": 256, "n_routed_experts": 12,
          "n_group": 4, "topk_group": 2, "num_hidden_layers": 2, "vocab_size": 65})"};
  const model::reference::Model exact =
      model::test::load_reference(shape.directory(), model::test::Mode::kExact);
  const std::vector<int> prompt = {5, 17, 63, 2, 40, 9, 33, 21, 58};
  model::test::ReferenceRunner oracle(exact, 64);
  EngineRunner runner(shape.directory(), KvFormat::kBf16, 64);
  const model::test::Step step = runner.start_sequence();
  (void)oracle.step(prompt, 0);
  (void)step(prompt, 0);
  EXPECT_GT(model::test::mean_cosine(step({7}, 9), oracle.step({7}, 9).logits), 0.99);
}

INSTANTIATE_TEST_SUITE_P(Shapes, EngineShape, testing::ValuesIn(model::test::other_shapes()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::engine::test
