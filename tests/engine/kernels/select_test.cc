// The selection kernel against the reference, above all on ties.

#include <gtest/gtest.h>

#include <cmath>

#include "engine/kernels/select/launch.h"
#include "engine/reference/top_k.h"
#include "tests/engine/kernels/device_values.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/random.h"

namespace slipstream::engine::test {
namespace {

using kernels::StepRow;

// The lists of tokens whose scores are the rows of `scores`, at the row's last position.
std::vector<std::vector<int>> select(const Matrix& scores, int topk) {
  const EngineStream stream;
  std::vector<StepRow> rows(scores.rows());
  for (StepRow& row : rows) row.position = scores.columns() - 1;
  const DeviceValues<float> device_scores(scores.values());
  const DeviceValues<StepRow> device_rows(rows);
  const DeviceValues<int> lists(static_cast<std::size_t>(scores.rows()) * topk);
  kernels::launch_select({.scores = {device_scores.data()},
                          .score_stride = scores.columns(),
                          .rows = {device_rows.data()},
                          .tokens = scores.rows(),
                          .index_topk = topk,
                          .lists = {lists.data()}},
                         {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  const std::vector<int> flat = lists.download();
  std::vector<std::vector<int>> result;
  for (int token = 0; token < scores.rows(); ++token) {
    result.emplace_back(flat.begin() + token * topk, flat.begin() + (token + 1) * topk);
  }
  return result;
}

void expect_reference(const Matrix& scores, int topk) {
  const auto lists = select(scores, topk);
  for (int token = 0; token < scores.rows(); ++token) {
    EXPECT_EQ(lists[token], reference::top_k(scores.row(token), topk)) << "token " << token;
  }
}

TEST(SelectKernel, TakesTheLargestScoresInAscendingOrderOfPositions) {
  expect_reference(random_matrix(3, 1100, 1), 96);
}

TEST(SelectKernel, TakesLowerPositionsFirstAmongEqualScores) {
  Matrix scores(2, 700);
  for (int i = 0; i < 700; ++i) {
    scores.row(0)[i] = static_cast<float>(i % 5);
    scores.row(1)[i] = i % 50 == 0 ? 1.0F : 0.0F;  // most keys score exactly 0
  }
  expect_reference(scores, 64);
}

TEST(SelectKernel, TakesThePositiveAndTheNegativeZeroAsEqual) {
  Matrix scores(1, 130);
  for (int i = 0; i < 130; ++i) scores.row(0)[i] = i % 2 == 0 ? -0.0F : 0.0F;
  expect_reference(scores, 64);
}

TEST(SelectKernel, RanksNaNBelowEveryNumber) {
  Matrix scores = random_matrix(1, 128, 2);
  for (int i = 0; i < 60; ++i) scores.row(0)[2 * i] = NAN;
  expect_reference(scores, 64);
}

TEST(SelectKernel, DropsOneKeyWhereThereIsOneTooMany) {
  expect_reference(random_matrix(1, 65, 3), 64);
}

}  // namespace
}  // namespace slipstream::engine::test
