// The GPU engine on checkpoints of other sizes than the goldens'.

#include <gtest/gtest.h>

#include <array>

#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/reference_runner.h"
#include "tests/engine/support/shapes.h"

namespace slipstream::engine::test {
namespace {

class EngineShape : public testing::TestWithParam<Shape> {};

// 133 tokens in chunks and one alone, beyond index_topk.
TEST_P(EngineShape, StaysCloseToTheExactModel) {
  const std::string& directory = GetParam().directory();
  const reference::Model exact = load_reference(directory, Mode::kExact);
  std::vector<int> ids;
  for (int i = 0; i < 134; ++i) ids.push_back((i * 7919 + 5) % exact.config.vocab_size);
  const std::vector<int> prompt(ids.begin(), ids.end() - 1);
  ReferenceRunner oracle(exact, 192);
  (void)oracle.step(prompt, 0);
  const Matrix expected = oracle.step({ids.back()}, 133).logits;

  for (const KvFormat format : {KvFormat::kBf16, KvFormat::kFp8}) {
    EngineRunner runner(directory, format, 192);
    const Step step = runner.start_sequence();
    (void)step(prompt, 0);
    // The bound that the reference in engine mode is held to.
    EXPECT_GT(mean_cosine(step({ids.back()}, 133), expected), 0.99);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, EngineShape, testing::ValuesIn(other_shapes()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::engine::test
