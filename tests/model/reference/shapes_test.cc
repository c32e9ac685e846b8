// Checkpoints of other sizes than the goldens': the engine's roundings stay close to the exact
// model everywhere.

#include "tests/model/support/shapes.h"

#include <gtest/gtest.h>

#include "model/reference/decode_step.h"
#include "tests/model/support/reference_runner.h"

namespace slipstream::model::reference {
namespace {

using test::load_reference;
using test::Mode;
using test::ReferenceRunner;
using test::Shape;

class OtherShape : public testing::TestWithParam<Shape> {
 protected:
  // Two steps of several tokens and one of a single one, beyond index_topk.
  [[nodiscard]] static StepResult run(const Model& model) {
    ReferenceRunner runner(model, 192);
    std::vector<int> ids;
    for (int i = 0; i < 134; ++i) ids.push_back((i * 7919 + 5) % model.config.vocab_size);
    (void)runner.step({ids.begin(), ids.end() - 1}, 0);
    return runner.step({ids.back()}, 133);
  }
};

TEST_P(OtherShape, EngineStaysCloseToTheExactModel) {
  const StepResult exact = run(load_reference(GetParam().directory(), Mode::kExact));
  for (const Mode mode : {Mode::kBf16Cache, Mode::kFp8Cache}) {
    const Model model = load_reference(GetParam().directory(), mode);
    const StepResult engine = run(model);
    ASSERT_EQ(engine.logits.columns(), model.config.vocab_size);
    EXPECT_GT(test::mean_cosine(engine.logits, exact.logits), 0.99);
    for (const IndexLists& lists : engine.index_lists) {
      EXPECT_EQ(static_cast<int>(lists[0].size()), model.config.index_topk);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, OtherShape, testing::ValuesIn(test::other_shapes()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::model::reference
