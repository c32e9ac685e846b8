// The reference against the goldens, in every numeric mode.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/engine/support/golden.h"
#include "tests/engine/support/reference_runner.h"
#include "tests/engine/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

constexpr int kChunk = 16;
constexpr int kRoom = 320;

class ReferenceGolden : public testing::TestWithParam<std::string> {
 protected:
  ReferenceGolden() : golden_(GetParam()) {}

  [[nodiscard]] static reference::Model model(Mode mode) {
    return load_reference(tiny_checkpoint(GetParam()), mode);
  }

  void expect_logits(Mode mode, int chunk) {
    const reference::Model loaded = model(mode);
    expect_golden_logits(golden_, chunk, [&]() -> Step {
      auto runner = std::make_shared<ReferenceRunner>(loaded, kRoom);
      return [runner](const std::vector<int>& ids, int first) {
        return runner->step(ids, first).logits;
      };
    });
  }

  void expect_layers(Mode mode);
  void expect_overlap(Mode mode);

  // For people who read the XML report: how far from the limits.
  static void record(const std::string& key, double value) {
    RecordProperty(key, std::to_string(value));
  }

  Golden golden_;
};

TEST_P(ReferenceGolden, ExactLogitsAgreeToFloat32Rounding) {
  const reference::Model exact = model(Mode::kExact);
  for (const GoldenPrompt& prompt : golden_.prompts()) {
    ReferenceRunner runner(exact, kRoom);
    const Matrix logits = teacher_forced_logits(
        prompt, kChunk,
        [&](const std::vector<int>& ids, int first) { return runner.step(ids, first).logits; });
    // Logits are of size 3; transformers itself sums in fp32.
    EXPECT_LT(largest_difference(logits, prompt.logits), 1e-4);
  }
}

TEST_P(ReferenceGolden, ExactIndexListsAreEqualAndLayerInputsAgree) {
  const reference::Model exact = model(Mode::kExact);
  const int layers = exact.config.num_hidden_layers;
  for (const int index : Golden::detailed_prompts()) {
    ReferenceRunner runner(exact, kRoom);
    const reference::StepResult result = runner.step(golden_.prompts()[index].processed_ids(), 0);
    for (int layer = 0; layer < layers; ++layer) {
      if (golden_.has_lists(index, layer)) {
        EXPECT_EQ(result.index_lists[layer], golden_.lists(index, layer)) << "layer " << layer;
      }
    }
    for (int layer = 0; layer <= layers; ++layer) {
      const Matrix& hidden = layer < layers ? result.layer_inputs[layer] : result.final_hidden;
      const auto errors = relative_errors(hidden, golden_.layer_input(index, layer));
      // The stored layer inputs are rounded to f16, half a unit of 2^-10 at most.
      EXPECT_LT(*std::max_element(errors.begin(), errors.end()), 5e-4) << "layer " << layer;
    }
  }
}

TEST_P(ReferenceGolden, EngineLogitsReachTheLimitsWithABf16Cache) {
  expect_logits(Mode::kBf16Cache, kChunk);
}

TEST_P(ReferenceGolden, EngineLogitsReachTheLimitsWithA656ByteCache) {
  expect_logits(Mode::kFp8Cache, kChunk);
}

void ReferenceGolden::expect_layers(Mode mode) {
  const reference::Model loaded = model(mode);
  const int layers = loaded.config.num_hidden_layers;
  for (int layer = 0; layer < layers; ++layer) {
    std::vector<double> errors;
    for (const int index : Golden::detailed_prompts()) {
      ReferenceRunner runner(loaded, kRoom);
      reference::IndexLists lists;
      if (!golden_.has_lists(index, layer)) lists = golden_.lists(index, layer - 1);
      Matrix out = runner.layer(layer, golden_.layer_input(index, layer), kChunk, lists);
      if (layer == layers - 1) out = final_norm(loaded, out);
      const auto part = relative_errors(out, golden_.layer_input(index, layer + 1));
      errors.insert(errors.end(), part.begin(), part.end());
    }
    const double p50 = quantile(errors, 0.50);
    const double p75 = quantile(errors, 0.75);
    EXPECT_LE(p50, golden_.limits().layer_error_p50) << "layer " << layer;
    EXPECT_LE(p75, golden_.limits().layer_error_p75) << "layer " << layer;
    record("layer" + std::to_string(layer) + "_p50", p50);
    record("layer" + std::to_string(layer) + "_p75", p75);
  }
}

TEST_P(ReferenceGolden, EachLayerAloneReachesTheLimitsWithABf16Cache) {
  expect_layers(Mode::kBf16Cache);
}

TEST_P(ReferenceGolden, EachLayerAloneReachesTheLimitsWithA656ByteCache) {
  expect_layers(Mode::kFp8Cache);
}

void ReferenceGolden::expect_overlap(Mode mode) {
  const reference::Model loaded = model(mode);
  for (int layer = 0; layer < loaded.config.num_hidden_layers; ++layer) {
    std::vector<double> overlaps;
    for (const int index : Golden::detailed_prompts()) {
      if (!golden_.has_lists(index, layer)) continue;
      ReferenceRunner runner(loaded, kRoom);
      reference::IndexLists lists;
      (void)runner.layer(layer, golden_.layer_input(index, layer), kChunk, lists);
      const auto expected = golden_.lists(index, layer);
      for (std::size_t row = 0; row < expected.size(); ++row) {
        std::vector<int> common;
        std::set_intersection(lists[row].begin(), lists[row].end(), expected[row].begin(),
                              expected[row].end(), std::back_inserter(common));
        ASSERT_EQ(lists[row].size(), expected[row].size());
        if (row < Golden::kIndexTopK) {
          EXPECT_EQ(common.size(), row + 1);
        } else {
          overlaps.push_back(static_cast<double>(common.size()) / Golden::kIndexTopK);
        }
      }
    }
    if (overlaps.empty()) continue;
    const double mean = std::accumulate(overlaps.begin(), overlaps.end(), 0.0) /
                        static_cast<double>(overlaps.size());
    const double worst = *std::min_element(overlaps.begin(), overlaps.end());
    EXPECT_GE(mean, golden_.limits().overlap_layer_mean) << "layer " << layer;
    EXPECT_GE(worst, golden_.limits().overlap_worst_row) << "layer " << layer;
    record("layer" + std::to_string(layer) + "_overlap_mean", mean);
    record("layer" + std::to_string(layer) + "_overlap_worst", worst);
  }
}

TEST_P(ReferenceGolden, IndexListsFromExactInputsReachTheLimits) {
  expect_overlap(Mode::kBf16Cache);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ReferenceGolden, testing::ValuesIn(golden_names()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
                               '_');
                           return name;
                         });

}  // namespace
}  // namespace slipstream::engine::test
