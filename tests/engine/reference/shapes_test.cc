// Checkpoints of other sizes than the goldens': the engine's roundings stay close to the exact
// model everywhere.

#include <gtest/gtest.h>

#include "engine/reference/decode_step.h"
#include "tests/engine/support/reference_runner.h"
#include "tests/engine/support/tiny_files.h"

namespace slipstream::engine::reference {
namespace {

using test::load_reference;
using test::Mode;
using test::ReferenceRunner;

struct Shape {
  std::string name;
  std::string base;
  std::string changes;
};

std::vector<Shape> shapes() {
  return {
      {"SixteenHeads", "deepseek-v32-tiny",
       R"({"num_attention_heads": 16, "num_key_value_heads": 16, "hidden_size": 384,
           "index_topk": 96, "n_routed_experts": 48, "vocab_size": 517})"},
      {"OneHead", "deepseek-v32-tiny",
       R"({"num_attention_heads": 1, "num_key_value_heads": 1, "hidden_size": 1024,
           "index_topk": 128, "n_routed_experts": 12, "n_group": 4, "topk_group": 2,
           "num_hidden_layers": 2})"},
      {"ThreeHeads", "glm-5-tiny",
       R"({"num_attention_heads": 3, "num_key_value_heads": 3, "hidden_size": 640,
           "q_lora_rank": 384, "index_topk": 100, "index_n_heads": 17, "n_routed_experts": 13,
           "moe_intermediate_size": 384, "num_experts_per_tok": 8, "vocab_size": 301,
           "num_hidden_layers": 2})"},
      {"AllDense", "glm-5.2-tiny-bf16",
       R"({"num_attention_heads": 2, "num_key_value_heads": 2, "hidden_size": 512,
           "first_k_dense_replace": 4, "index_topk": 127, "n_shared_experts": 2})"},
  };
}

class OtherShape : public testing::TestWithParam<Shape> {
 protected:
  [[nodiscard]] static const std::string& directory() {
    const Shape& shape = GetParam();
    return test::tiny_checkpoint(
        tiny::with_changes(tiny::tiny_spec(shape.base), shape.name, shape.changes));
  }

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
  const StepResult exact = run(load_reference(directory(), Mode::kExact));
  for (const Mode mode : {Mode::kBf16Cache, Mode::kFp8Cache}) {
    const Model model = load_reference(directory(), mode);
    const StepResult engine = run(model);
    ASSERT_EQ(engine.logits.columns(), model.config.vocab_size);
    EXPECT_GT(test::mean_cosine(engine.logits, exact.logits), 0.99);
    for (const IndexLists& lists : engine.index_lists) {
      EXPECT_EQ(static_cast<int>(lists[0].size()), model.config.index_topk);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, OtherShape, testing::ValuesIn(shapes()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::engine::reference
