// Contexts around the borders of pages and of the index list: 63, 64 and 65 tokens, and 2047, 2048
// and 2049. One layer alone and the whole model, held to the goldens' limits.

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <numeric>
#include <set>

#include "engine/inspection.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/shapes.h"

namespace slipstream::engine::test {
namespace {

// Rows on both sides of a border that are judged together: quantiles need more than three.
constexpr int kWindow = 16;

struct Border {
  int context;  // index_topk, and a multiple of the page size
  KvFormat format;

  [[nodiscard]] int tokens() const { return context + 1 + kWindow; }
};

// The sizes that the limits were set for, but one layer (of experts) and another index_topk.
const std::string& checkpoint(int index_topk) {
  const std::string topk = std::to_string(index_topk);
  return model::test::Shape{
      "TopK" + topk, "deepseek-v32-tiny",
      R"({"num_hidden_layers": 1, "first_k_dense_replace": 0, "index_topk": )" + topk + "}"}
      .directory();
}

std::vector<int> ids(int count) {
  std::vector<int> result(count);
  for (int i = 0; i < count; ++i) result[i] = (i * 7919 + i / 64 * 31 + 5) % 512;
  return result;
}

// What the exact model and the rounding reference say, once per context.
struct Oracle {
  explicit Oracle(int context)
      : exact_model(model::test::load_reference(checkpoint(context), model::test::Mode::kExact)),
        tokens(ids(context + 1 + kWindow)),
        exact(model::test::ReferenceRunner(exact_model, static_cast<int>(tokens.size()))
                  .step(tokens, 0)),
        rounded(model::test::ReferenceRunner(
                    model::test::load_reference(checkpoint(context), model::test::Mode::kBf16Cache),
                    static_cast<int>(tokens.size()))
                    .step(tokens, 0)
                    .logits) {}

  model::reference::Model exact_model;
  std::vector<int> tokens;
  model::reference::StepResult exact;
  model::reference::Matrix rounded;
};

const Oracle& oracle(int context) {
  static std::map<int, Oracle> oracles;
  return oracles.try_emplace(context, context).first->second;
}

model::reference::Matrix row_of(const model::reference::Matrix& matrix, int row) {
  model::reference::Matrix result(1, matrix.columns());
  const auto values = matrix.row(row);
  result.values().assign(values.begin(), values.end());
  return result;
}

class EngineBorder : public testing::TestWithParam<Border> {
 protected:
  EngineBorder()
      : border_(GetParam()),
        oracle_(oracle(border_.context)),
        runner_(checkpoint(border_.context), border_.format, border_.tokens()) {}

  // Lists are every position up to index_topk, and index_topk distinct ones beyond it.
  void expect_lists(const std::vector<IndexList>& lists) const {
    ASSERT_EQ(lists.size(), static_cast<size_t>(border_.tokens()));
    for (int row = border_.context - kWindow; row < border_.tokens(); ++row) {
      const std::set<int> distinct(lists[row].begin(), lists[row].end());
      EXPECT_EQ(lists[row].size(), static_cast<size_t>(std::min(border_.context, row + 1)));
      EXPECT_EQ(distinct.size(), lists[row].size()) << "row " << row;
      EXPECT_GE(*distinct.begin(), 0) << "row " << row;
      EXPECT_LE(*distinct.rbegin(), row) << "row " << row;
    }
  }

  Border border_;
  const Oracle& oracle_;
  EngineRunner runner_;
};

TEST_P(EngineBorder, ALayerAloneReachesTheLimits) {
  const model::tiny::GoldenLimits limits = model::test::Golden("deepseek-v32-tiny").limits();
  const LayerResult result =
      Inspection(runner_.engine()).run_layer(0, oracle_.exact.layer_inputs.front().values());
  const model::reference::Matrix& expected = oracle_.exact.final_hidden;
  model::reference::Matrix actual(expected.rows(), expected.columns());
  actual.values() = result.hidden;
  const std::vector<double> errors = model::test::relative_errors(actual, expected);
  const std::vector<double> near(errors.begin() + border_.context - kWindow, errors.end());
  EXPECT_LE(model::test::quantile(near, 0.50), limits.layer_error_p50);
  EXPECT_LE(model::test::quantile(near, 0.75), limits.layer_error_p75);
  EXPECT_LE(model::test::quantile(errors, 0.50), limits.layer_error_p50);
  EXPECT_LE(model::test::quantile(errors, 0.75), limits.layer_error_p75);
  RecordProperty("p50", std::to_string(model::test::quantile(near, 0.50)));
  RecordProperty("p75", std::to_string(model::test::quantile(near, 0.75)));
  expect_lists(result.lists);
}

TEST_P(EngineBorder, LogitsReachTheLimitAsTheContextGrows) {
  const model::tiny::GoldenLimits limits = model::test::Golden("deepseek-v32-tiny").limits();
  const model::test::Step step = runner_.start_sequence();
  const int before = border_.context - 2;
  (void)step({oracle_.tokens.begin(), oracle_.tokens.begin() + before}, 0);
  double drop = 0;
  for (int position = before; position < before + 3; ++position) {
    const model::reference::Matrix exact = row_of(oracle_.exact.logits, position);
    const double cosine =
        model::test::mean_cosine(step({oracle_.tokens[position]}, position), exact);
    drop += (model::test::mean_cosine(row_of(oracle_.rounded, position), exact) - cosine) / 3;
    RecordProperty("cosine_" + std::to_string(position + 1), std::to_string(cosine));
  }
  RecordProperty("drop", std::to_string(drop));
  EXPECT_LE(drop, limits.cosine_drop);
}

INSTANTIATE_TEST_SUITE_P(Contexts, EngineBorder,
                         testing::Values(Border{64, KvFormat::kBf16}, Border{64, KvFormat::kFp8},
                                         Border{2048, KvFormat::kBf16},
                                         Border{2048, KvFormat::kFp8}),
                         [](const auto& info) {
                           return std::to_string(info.param.context) +
                                  (info.param.format == KvFormat::kBf16 ? "Bf16" : "Fp8");
                         });

}  // namespace
}  // namespace slipstream::engine::test
