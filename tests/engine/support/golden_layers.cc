#include "tests/engine/support/golden_layers.h"

#include "engine/inspection.h"

namespace slipstream::engine::test {

void expect_golden_layers(const model::test::Golden& golden, const Engine& engine) {
  for (int layer = 0; layer < engine.num_hidden_layers(); ++layer) {
    std::vector<double> errors;
    std::vector<double> overlap;
    for (const int index : model::test::Golden::detailed_prompts()) {
      const bool own = golden.has_lists(index, layer);
      const auto given = own ? std::vector<IndexList>{} : golden.lists(index, layer - 1);
      const LayerResult result =
          Inspection(engine).run_layer(layer, golden.layer_input(index, layer).values(), given);
      const model::reference::Matrix expected = golden.layer_input(index, layer + 1);
      model::reference::Matrix out(expected.rows(), expected.columns());
      out.values() = result.hidden;
      const auto part = model::test::relative_errors(out, expected);
      errors.insert(errors.end(), part.begin(), part.end());
      if (!own) continue;
      const auto rows = model::test::overlaps(result.lists, golden.lists(index, layer));
      overlap.insert(overlap.end(), rows.begin(), rows.end());
    }
    model::test::expect_layer_errors(golden, layer, errors);
    model::test::expect_overlaps(golden, layer, overlap);
  }
}

}  // namespace slipstream::engine::test
