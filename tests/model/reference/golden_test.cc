// The reference against the goldens, in every numeric mode.

#include "tests/model/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/support/reference_runner.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {
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
    expect_layer_errors(golden_, layer, errors);
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
    std::vector<double> shares;
    for (const int index : Golden::detailed_prompts()) {
      if (!golden_.has_lists(index, layer)) continue;
      ReferenceRunner runner(loaded, kRoom);
      reference::IndexLists lists;
      (void)runner.layer(layer, golden_.layer_input(index, layer), kChunk, lists);
      const auto rows = overlaps(lists, golden_.lists(index, layer));
      shares.insert(shares.end(), rows.begin(), rows.end());
    }
    expect_overlaps(golden_, layer, shares);
  }
}

TEST_P(ReferenceGolden, IndexListsFromExactInputsReachTheLimits) {
  expect_overlap(Mode::kBf16Cache);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ReferenceGolden, testing::ValuesIn(golden_names()),
                         checkpoint_test_name);

}  // namespace
}  // namespace slipstream::model::test
