// Index scores and absorbed queries against the reference.

#include <gtest/gtest.h>

#include <optional>

#include "model/reference/indexer.h"
#include "model/reference/linear.h"
#include "model/reference/rope.h"
#include "model/reference/sparse_mla.h"
#include "pdl/stream.h"
#include "step/kernels/linear/pack.h"
#include "step/kernels/scores/launch.h"
#include "tests/step/kernels/packed_weights.h"
#include "tests/step/kernels/sparse_inputs.h"

namespace slipstream::step::test::scores_test {
namespace {

using kernels::kIndexWidth;
using kernels::kLatent;

// W_UK in the smallest form that the launch takes, whose result nobody reads.
struct Absorb {
  UploadedMatrix w_uk{pack_bf16(kLatent, 128, [](int, int) { return uint16_t{0}; })};
  DeviceBf16 queries;
  DeviceBf16 absorbed;

  explicit Absorb(int tokens)
      : queries(static_cast<size_t>(tokens) * 192),
        absorbed(static_cast<size_t>(tokens) * kLatent) {}
  [[nodiscard]] kernels::AbsorbParams params() const {
    return {.w_uk = w_uk.matrix(),
            .queries = {queries.data()},
            .absorbed = {absorbed.data()},
            .heads = 1,
            .head_dim = 192};
  }
};

class IndexScores {
 public:
  IndexScores(const std::vector<int>& contexts, int heads, model::RopeLayout layout, int topk,
              bool hadamard = true)
      : hadamard_(hadamard),
        heads_(heads),
        layout_(layout),
        topk_(topk),
        tokens_(contexts),
        keys_(model::reference::Numerics{}, tokens_.pages()),
        queries_(random_bf16(tokens_.tokens() * heads, kIndexWidth, 1)),
        weights_(model::test::random_matrix(tokens_.tokens(), heads, 2)) {
    const model::reference::Matrix keys =
        random_bf16(tokens_.pages() * kernels::kPageSize, kIndexWidth, 3);
    for (int slot = 0; slot < keys.rows(); ++slot) keys_.write(slot, keys.row(slot));
  }

  [[nodiscard]] const PagedTokens& tokens() const { return tokens_; }

  // Rows of most_positions() scores; those that nothing was written to are 1e9.
  [[nodiscard]] model::reference::Matrix run(std::optional<bool> pdl = std::nullopt) const {
    const pdl::Stream stream;
    const Absorb absorb(tokens_.tokens());
    model::reference::Matrix result(tokens_.tokens(), tokens_.most_positions());
    std::fill(result.values().begin(), result.values().end(), 1e9F);
    const DeviceValues<float> scores(result.values());
    const DeviceBf16 queries(queries_);
    const DeviceValues<float> weights(weights_.values());
    const DeviceValues<float> rope(test_rope_table(tokens_.most_positions()));
    const auto bytes = keys_.bytes();
    const DeviceValues<std::byte> cache(std::vector<std::byte>(bytes.begin(), bytes.end()));
    kernels::launch_scores({.tokens = tokens_.tokens(),
                            .absorb = absorb.params(),
                            .score = {.queries = {queries.data()},
                                      .head_weights = {weights.data()},
                                      .heads = heads_,
                                      .constant = kConstant,
                                      .rope = {rope.data()},
                                      .interleaved = layout_ == model::RopeLayout::kInterleaved,
                                      .hadamard = hadamard_,
                                      .index_topk = topk_,
                                      .places = tokens_.places(),
                                      .index_cache = {cache.data()},
                                      .scores = {scores.data()},
                                      .score_stride = tokens_.most_positions()}},
                           {.stream = stream.get(), .pdl = pdl});
    check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    result.values() = scores.download();
    return result;
  }

  [[nodiscard]] std::vector<float> expected(int token) const {
    model::reference::IndexQuery query{model::reference::Matrix(heads_, kIndexWidth), {}};
    for (int head = 0; head < heads_; ++head) {
      const auto row = query.heads.row(head);
      const auto source = queries_.row(token * heads_ + head);
      std::copy(source.begin(), source.end(), row.begin());
      model::reference::rotate(row.first(kernels::kRope), test_frequencies(),
                               tokens_.position(token), layout_);
      for (float& value : row) value = model::round_to_bf16(value);
      if (hadamard_) model::reference::hadamard_transform(row);
      for (float& value : row) value = model::round_to_bf16(value);
      const model::reference::QuantizedGroup quantized =
          model::reference::quantize_group(row, true);
      for (int i = 0; i < kIndexWidth; ++i) row[i] = model::e4m3_to_float(quantized.codes[i]);
      query.weights.push_back(weights_.row(token)[head] * kConstant * quantized.scale);
    }
    return model::reference::index_scores(query, keys_, tokens_.page_table(token),
                                          tokens_.position(token));
  }

 private:
  static constexpr float kConstant = 0.03F;

  bool hadamard_;
  int heads_;
  model::RopeLayout layout_;
  int topk_;
  PagedTokens tokens_;
  model::reference::IndexKeyCache keys_;
  model::reference::Matrix queries_;
  model::reference::Matrix weights_;
};

// A code that falls on the other side of a rounding moves a score by about a hundredth of what
// scores differ by.
void expect_reference(const IndexScores& scores, int topk) {
  const model::reference::Matrix actual = scores.run();
  for (int token = 0; token < actual.rows(); ++token) {
    const int keys = scores.tokens().position(token) + 1;
    const auto row = actual.row(token);
    if (keys > topk) {
      EXPECT_LT(relative_distance(row, scores.expected(token)), 5e-3) << "token " << token;
    }
    for (size_t i = keys > topk ? keys : 0; i < row.size(); ++i) {
      ASSERT_EQ(row[i], 1e9F) << "token " << token << ", position " << i;
    }
  }
}

TEST(ScoreKernel, ScoresEveryKeyUpToTheTokensPosition) {
  for (const int context : {63, 64, 65}) {
    expect_reference(IndexScores({context}, 64, model::RopeLayout::kHalfSplit, 32), 32);
  }
}

TEST(ScoreKernel, TurnsNeighborsWhereTheModelDoes) {
  expect_reference(IndexScores({200}, 32, model::RopeLayout::kInterleaved, 32), 32);
}

TEST(ScoreKernel, LeavesQueriesAsTheyAreWhereTheyAreNotTransformed) {
  for (const model::RopeLayout layout :
       {model::RopeLayout::kHalfSplit, model::RopeLayout::kInterleaved}) {
    expect_reference(IndexScores({130, 70}, 64, layout, 32, /*hadamard=*/false), 32);
  }
}

TEST(ScoreKernel, TakesNumbersOfHeadsThatFillNoTile) {
  for (const int heads : {1, 5, 33}) {
    expect_reference(IndexScores({130}, heads, model::RopeLayout::kHalfSplit, 32), 32);
  }
}

TEST(ScoreKernel, SharesSixteenSequencesOfDifferentLengthsOut) {
  expect_reference(
      IndexScores({900, 1, 64, 65, 300, 32, 33, 1500, 2, 128, 640, 31, 5, 700, 90, 400}, 8,
                  model::RopeLayout::kHalfSplit, 64),
      64);
}

TEST(ScoreKernel, WritesNothingForTokensThatTakeEveryKey) {
  expect_reference(IndexScores({2048}, 4, model::RopeLayout::kHalfSplit, 2048), 2048);
}

TEST(ScoreKernel, GivesTheSameBitsWithoutPdl) {
  const IndexScores scores({500, 90}, 64, model::RopeLayout::kHalfSplit, 64);
  EXPECT_EQ(scores.run(true).values(), scores.run(false).values());
}

// Heads, nope width, tokens.
class AbsorbKernel : public testing::TestWithParam<std::array<int, 3>> {};

TEST_P(AbsorbKernel, AgreesWithTheReference) {
  const auto [heads, nope, tokens] = GetParam();
  const model::reference::Matrix weights = random_bf16(heads * nope, kLatent, 1);
  const model::reference::Matrix queries = random_bf16(tokens * heads, nope + kernels::kRope, 2);
  const UploadedMatrix w_uk(pack_bf16(heads * kLatent, nope, [&](int row, int column) {
    return model::float_to_bf16(weights.row(row / kLatent * nope + column)[row % kLatent]);
  }));
  const DeviceBf16 device_queries(queries);
  const DeviceBf16 absorbed(static_cast<size_t>(tokens) * heads * kLatent);
  const pdl::Stream stream;
  kernels::launch_scores({.tokens = tokens,
                          .absorb = {.w_uk = w_uk.matrix(),
                                     .queries = {device_queries.data()},
                                     .absorbed = {absorbed.data()},
                                     .heads = heads,
                                     .head_dim = nope + kernels::kRope}},
                         {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  const model::reference::Matrix actual = absorbed.download(tokens * heads, kLatent);
  std::vector<float> expected(kLatent);
  for (int row = 0; row < actual.rows(); ++row) {
    const size_t head_size = static_cast<size_t>(nope) * kLatent;
    model::reference::absorb_query(
        {}, queries.row(row).first(nope),
        std::span(weights.values()).subspan(row % heads * head_size, head_size), expected);
    EXPECT_LT(relative_distance(actual.row(row), expected), 3e-3) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AbsorbKernel,
                         testing::Values(std::array{1, 128, 1}, std::array{3, 128, 16},
                                         std::array{2, 192, 1}, std::array{3, 192, 9}));

}  // namespace
}  // namespace slipstream::step::test::scores_test
