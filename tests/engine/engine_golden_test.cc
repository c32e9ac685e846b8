// The GPU engine against the goldens: logits, single layers, index lists; with both cache formats.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <numeric>

#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

constexpr int kChunk = 16;

class EngineGolden : public testing::TestWithParam<std::string> {
 protected:
  EngineGolden() : golden_(GetParam()) {}

  void expect_logits(KvFormat format) {
    EngineRunner runner(tiny_checkpoint(GetParam()), format);
    expect_golden_logits(golden_, kChunk, [&] { return runner.start_sequence(); });
  }

  void expect_layers(KvFormat format);

  Golden golden_;
};

// Shares of the exact lists' entries that are in the lists, for rows with a choice.
std::vector<double> overlaps(const std::vector<IndexList>& lists,
                             const std::vector<std::vector<int>>& exact) {
  std::vector<double> result;
  for (std::size_t row = 0; row < exact.size(); ++row) {
    std::vector<int> common;
    std::set_intersection(lists[row].begin(), lists[row].end(), exact[row].begin(),
                          exact[row].end(), std::back_inserter(common));
    EXPECT_EQ(lists[row].size(), exact[row].size());
    if (row < Golden::kIndexTopK) {
      EXPECT_EQ(common.size(), row + 1);
    } else {
      result.push_back(static_cast<double>(common.size()) / Golden::kIndexTopK);
    }
  }
  return result;
}

void EngineGolden::expect_layers(KvFormat format) {
  EngineRunner runner(tiny_checkpoint(GetParam()), format);
  Engine& engine = runner.engine();
  for (int layer = 0; layer < engine.num_hidden_layers(); ++layer) {
    std::vector<double> errors;
    std::vector<double> overlap;
    for (const int index : Golden::detailed_prompts()) {
      const bool own = golden_.has_lists(index, layer);
      const auto given = own ? std::vector<IndexList>{} : golden_.lists(index, layer - 1);
      const LayerResult result =
          engine.run_layer(layer, golden_.layer_input(index, layer).values(), given);
      const Matrix expected = golden_.layer_input(index, layer + 1);
      Matrix out(expected.rows(), expected.columns());
      out.values() = result.hidden;
      const auto part = relative_errors(out, expected);
      errors.insert(errors.end(), part.begin(), part.end());
      if (!own) continue;
      const auto rows = overlaps(result.lists, golden_.lists(index, layer));
      overlap.insert(overlap.end(), rows.begin(), rows.end());
    }
    const std::string name = "layer" + std::to_string(layer);
    EXPECT_LE(quantile(errors, 0.50), golden_.limits().layer_error_p50) << name;
    EXPECT_LE(quantile(errors, 0.75), golden_.limits().layer_error_p75) << name;
    RecordProperty(name + "_p50", std::to_string(quantile(errors, 0.50)));
    RecordProperty(name + "_p75", std::to_string(quantile(errors, 0.75)));
    if (overlap.empty()) continue;
    const double mean =
        std::accumulate(overlap.begin(), overlap.end(), 0.0) / static_cast<double>(overlap.size());
    EXPECT_GE(mean, golden_.limits().overlap_layer_mean) << name;
    EXPECT_GE(*std::min_element(overlap.begin(), overlap.end()), golden_.limits().overlap_worst_row)
        << name;
    RecordProperty(name + "_overlap", std::to_string(mean));
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

INSTANTIATE_TEST_SUITE_P(Checkpoints, EngineGolden, testing::ValuesIn(golden_names()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
                               '_');
                           return name;
                         });

}  // namespace
}  // namespace slipstream::engine::test
