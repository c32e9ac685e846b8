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

INSTANTIATE_TEST_SUITE_P(Shapes, EngineShape, testing::ValuesIn(model::test::other_shapes()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::engine::test
