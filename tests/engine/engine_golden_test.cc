// The GPU engine against the goldens: logits, single layers, index lists; with both cache formats.

#include <gtest/gtest.h>

#include "engine/inspection.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

constexpr int kChunk = 16;

class EngineGolden : public testing::TestWithParam<std::string> {
 protected:
  EngineGolden() : golden_(GetParam()) {}

  void expect_logits(KvFormat format) {
    EngineRunner runner(model::test::tiny_checkpoint(GetParam()), format);
    model::test::expect_golden_logits(golden_, kChunk, [&] { return runner.start_sequence(); });
  }

  void expect_layers(KvFormat format);

  model::test::Golden golden_;
};

void EngineGolden::expect_layers(KvFormat format) {
  EngineRunner runner(model::test::tiny_checkpoint(GetParam()), format);
  Engine& engine = runner.engine();
  for (int layer = 0; layer < engine.num_hidden_layers(); ++layer) {
    std::vector<double> errors;
    std::vector<double> overlap;
    for (const int index : model::test::Golden::detailed_prompts()) {
      const bool own = golden_.has_lists(index, layer);
      const auto given = own ? std::vector<IndexList>{} : golden_.lists(index, layer - 1);
      const LayerResult result =
          Inspection(engine).run_layer(layer, golden_.layer_input(index, layer).values(), given);
      const model::reference::Matrix expected = golden_.layer_input(index, layer + 1);
      model::reference::Matrix out(expected.rows(), expected.columns());
      out.values() = result.hidden;
      const auto part = model::test::relative_errors(out, expected);
      errors.insert(errors.end(), part.begin(), part.end());
      if (!own) continue;
      const auto rows = model::test::overlaps(result.lists, golden_.lists(index, layer));
      overlap.insert(overlap.end(), rows.begin(), rows.end());
    }
    model::test::expect_layer_errors(golden_, layer, errors);
    model::test::expect_overlaps(golden_, layer, overlap);
  }
}

TEST_P(EngineGolden, LogitsReachTheLimitsWithABf16Cache) { expect_logits(KvFormat::kBf16); }

TEST_P(EngineGolden, LogitsReachTheLimitsWithA656ByteCache) { expect_logits(KvFormat::kFp8); }

TEST_P(EngineGolden, EachLayerAloneReachesTheLimitsWithABf16Cache) {
  expect_layers(KvFormat::kBf16);
}

TEST_P(EngineGolden, EachLayerAloneReachesTheLimitsWithA656ByteCache) {
  expect_layers(KvFormat::kFp8);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EngineGolden, testing::ValuesIn(model::tiny::golden_names()),
                         model::test::checkpoint_test_name);

}  // namespace
}  // namespace slipstream::engine::test
