// Epilogues that push partial sums into the windows of several ranks: the same bits as one rank
// alone would store, at every rank, and nothing else.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "model/checkpoint.h"
#include "step/kernels/experts/launch.h"
#include "step/kernels/linear/launch.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/packed_weights.h"
#include "tests/step/support/played_ranks.h"

namespace slipstream::step::test {
namespace {

constexpr int kExchange = 1;

__nv_bfloat16* as_bf16(const DeviceValues<uint16_t>& values) {
  return reinterpret_cast<__nv_bfloat16*>(values.data());
}

// Runs a launch with a plain output, then as rank `rank` of `ranks`, and compares.
void expect_same_everywhere(int ranks, int rank, int tokens, int hidden,
                            const std::function<void(const PartialRows&, cudaStream_t)>& launch) {
  const PlayedRanks played(hidden, 2, ranks);
  const DeviceValues<uint16_t> alone(static_cast<size_t>(tokens) * hidden);
  launch({{as_bf16(alone)}}, played.stream());
  launch(played.exchange(rank)->partial(kExchange), played.stream());
  played.synchronize();

  std::vector<uint16_t> expected = alone.download();
  expected.resize(size_t{kernels::kMaxRows} * hidden, kMinusZero);
  for (int target = 0; target < ranks; ++target) {
    EXPECT_EQ(played.rows(rank, target, kExchange), expected) << "at rank " << target;
    // Emptied by hand, the window must be as it was.
    played.send(rank, target, kExchange, std::vector<uint16_t>(expected.size(), kMinusZero));
    EXPECT_TRUE(rows_are_empty(played.windows(target), played.config(), played.stream()));
  }
}

struct PushCase {
  int ranks;
  int rank;
  int tokens;
  int hidden;
  int columns;
  int cluster_ctas;  // 0: as the plan has it
};

std::string name_of(const testing::TestParamInfo<PushCase>& info) {
  const PushCase& c = info.param;
  return "Rank" + std::to_string(c.rank) + "Of" + std::to_string(c.ranks) + "M" +
         std::to_string(c.tokens) + "N" + std::to_string(c.hidden) + "K" +
         std::to_string(c.columns) + "Cluster" + std::to_string(c.cluster_ctas);
}

class PushingLinear : public testing::TestWithParam<PushCase> {};

kernels::LinearParams pushed(int tokens, int cluster_ctas, const kernels::PackedMatrix& matrix,
                             const PartialRows& output) {
  kernels::LinearParams params;
  params.segments[0] = {matrix, {output.rows.get()}, matrix.rows, false};
  params.segment_count = 1;
  params.tokens = tokens;
  params.peers = output.peers;
  if (cluster_ctas > 0) (void)kernels::plan_linear(params, kernels::linear_limits(), cluster_ctas);
  return params;
}

TEST_P(PushingLinear, SendsWhatOneRankWouldStore) {
  const PushCase& c = GetParam();
  const HostWeights weights(c.hidden, c.columns, true, 1);
  const UploadedMatrix matrix(pack(weights.share()));
  const DeviceValues<uint16_t> input(to_bf16(model::test::random_matrix(c.tokens, c.columns, 2)));
  expect_same_everywhere(
      c.ranks, c.rank, c.tokens, c.hidden, [&](const PartialRows& output, cudaStream_t stream) {
        kernels::launch_plain_linear(
            {pushed(c.tokens, c.cluster_ctas, matrix.matrix(), output),
             {.rows = {as_bf16(input)}, .stride = c.columns, .columns = c.columns}},
            {.stream = stream});
      });
}

TEST_P(PushingLinear, SendsWhatOneRankWouldStoreOfADenseLayer) {
  const PushCase& c = GetParam();
  const HostWeights weights(c.hidden, c.columns, false, 3);
  const UploadedMatrix matrix(pack(weights.share()));
  const DeviceValues<uint16_t> input(
      to_bf16(model::test::random_matrix(c.tokens, 2 * c.columns, 4)));
  expect_same_everywhere(
      c.ranks, c.rank, c.tokens, c.hidden, [&](const PartialRows& output, cudaStream_t stream) {
        kernels::launch_silu_linear(
            {pushed(c.tokens, c.cluster_ctas, matrix.matrix(), output),
             {.rows = {as_bf16(input)}, .stride = 2LL * c.columns, .columns = c.columns}},
            {.stream = stream});
      });
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PushingLinear,
    testing::Values(PushCase{1, 0, 1, 256, 128, 0}, PushCase{2, 1, 3, 384, 256, 1},
                    PushCase{4, 2, 8, 640, 512, 4}, PushCase{8, 7, 16, 256, 1024, 8},
                    PushCase{8, 0, 1, 384, 1152, 8}, PushCase{2, 0, 5, 2304, 256, 2}),
    name_of);

struct GatherCase {
  int ranks;
  int tokens;
  int hidden;
};

class Gathering : public testing::TestWithParam<GatherCase> {};

// All ranks one after another; where nobody reads, they need not wait for each other.
TEST_P(Gathering, BringsEveryRanksColumnsToAll) {
  const auto [kRanks, kTokens, kHidden] = GetParam();
  const DeviceValues<uint16_t> rows(to_bf16(model::test::random_matrix(2 * kTokens, kHidden, 9)));
  const DeviceValues<float> gamma(model::test::random_matrix(1, kHidden, 10).values());
  std::vector<kernels::StepRow> tokens(kTokens);
  std::vector<int> sources(kTokens);
  for (int i = 0; i < kTokens; ++i) tokens[i].token = sources[i] = 2 * i;
  const DeviceValues<kernels::StepRow> device_tokens(tokens);
  const DeviceValues<int> device_sources(sources);
  const PlayedRanks played(kHidden, 2, kRanks);
  const DeviceValues<uint16_t> alone(static_cast<size_t>(kTokens) * kHidden);
  for (int rank = 0; rank < kRanks; ++rank) {
    const model::Range own = model::part_of(kHidden, model::kTileUnit, {kRanks, rank});
    const int first = static_cast<int>(own.begin);
    const HostWeights weights(static_cast<int>(own.size()), 2 * kHidden, false, 11 + rank);
    const UploadedMatrix matrix(pack(weights.share()));
    for (const PartialRows& output :
         {PartialRows{{as_bf16(alone) + first}}, played.exchange(rank)->gathered(first)->own}) {
      kernels::LinearParams linear = pushed(kTokens, 0, matrix.matrix(), output);
      linear.segments[0].output_stride = kHidden;
      kernels::launch_joined_norm_linear({linear,
                                          {.embedding = {as_bf16(rows)},
                                           .step = {device_tokens.data()},
                                           .embedding_gamma = {gamma.data()},
                                           .hidden = {as_bf16(rows)},
                                           .sources = {device_sources.data()},
                                           .hidden_gamma = {gamma.data()},
                                           .columns = kHidden,
                                           .eps = 1e-6F}},
                                         {.stream = played.stream()});
    }
    played.synchronize();
  }
  std::vector<uint16_t> expected = alone.download();
  expected.resize(size_t{kernels::kMaxRows} * kHidden, kMinusZero);
  for (int target = 0; target < kRanks; ++target) {
    EXPECT_EQ(played.gathered(target), expected) << "at rank " << target;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Gathering,
                         testing::Values(GatherCase{2, 1, 256}, GatherCase{3, 4, 512},
                                         GatherCase{8, 3, 1024}, GatherCase{4, 16, 384}),
                         [](const auto& info) {
                           return "Ranks" + std::to_string(info.param.ranks) + "M" +
                                  std::to_string(info.param.tokens) + "N" +
                                  std::to_string(info.param.hidden);
                         });

struct DownCase {
  int ranks;
  int rank;
  int tokens;
  bool fp8;
  bool banded = false;
};

class PushingExpertDown : public testing::TestWithParam<DownCase> {};

TEST_P(PushingExpertDown, SendsWhatOneRankWouldStore) {
  const auto [kRanks, kRank, kTokens, kFp8, kBanded] = GetParam();
  constexpr int kHidden = 384;
  constexpr int kWidth = 128;
  const HostWeights down(2 * kHidden, kWidth, kFp8, 5);  // two experts'
  const HostWeights shared(kHidden, kWidth, kFp8, 6);
  const auto packed = kBanded ? pack_bands : pack;
  const UploadedMatrix shared_matrix(packed(shared.share()));
  const UploadedMatrix down_matrices(packed(down.share()));
  kernels::PackedMatrix first = down_matrices.matrix();
  first.rows = kHidden;
  std::vector<kernels::ExpertChoice> choices;
  for (int token = 0; token < kTokens; ++token) {
    choices.push_back({token % 2, 0.5F + static_cast<float>(token) / 8});
  }
  const DeviceValues<kernels::ExpertChoice> device_choices(choices);
  const DeviceValues<uint16_t> activated(
      to_bf16(model::test::random_matrix(kTokens, 2 * kWidth, 7)));
  const DeviceValues<uint16_t> shared_input(
      to_bf16(model::test::random_matrix(kTokens, 2 * kWidth, 8)));
  expect_same_everywhere(kRanks, kRank, kTokens, kHidden,
                         [&](const PartialRows& output, cudaStream_t stream) {
                           kernels::launch_down({.choices = {device_choices.data()},
                                                 .choices_per_token = 1,
                                                 .experts = 2,
                                                 .activated = {as_bf16(activated)},
                                                 .down = first,
                                                 .shared_input = {.rows = {as_bf16(shared_input)},
                                                                  .stride = 2LL * kWidth,
                                                                  .columns = kWidth},
                                                 .shared_down = shared_matrix.matrix(),
                                                 .tokens = kTokens,
                                                 .output = output.rows,
                                                 .peers = output.peers},
                                                {.stream = stream});
                         });
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PushingExpertDown,
    testing::Values(DownCase{1, 0, 1, true}, DownCase{2, 1, 3, false}, DownCase{4, 0, 8, true},
                    DownCase{8, 5, 16, true}, DownCase{1, 0, 1, true, true},
                    DownCase{3, 2, 4, true, true}, DownCase{8, 5, 16, true, true}),
    [](const auto& info) {
      return "Rank" + std::to_string(info.param.rank) + "Of" + std::to_string(info.param.ranks) +
             "M" + std::to_string(info.param.tokens) + (info.param.fp8 ? "Fp8" : "Bf16") +
             (info.param.banded ? "Banded" : "");
    });

// The rows of a matrix that is multiplied with one column of ones: of each tile 16 codes, and their
// scale.
PackedHostMatrix two_tiles(const std::vector<float>& first, float first_scale,
                           const std::vector<float>& second, float second_scale) {
  std::vector<std::byte> codes(size_t{128} * 128);
  for (size_t row = 0; row < 16; ++row) {
    codes[row * 128] = std::byte{model::float_to_e4m3(first[row])};
    codes[(row + 16) * 128] = std::byte{model::float_to_e4m3(second[row])};
  }
  model::MatrixShare share;
  share.type = model::StoredType::kF8E4M3;
  share.rows = share.columns = share.row_stride = 128;
  share.data = codes.data();
  share.scales = {1};
  share.scale_columns = 1;
  PackedHostMatrix packed = pack(share);
  packed.scales[0] = first_scale;
  packed.scales[1] = second_scale;
  return packed;
}

TEST(PushingLinear, SendsAnyValueButAPairOfMinusZeros) {
  constexpr float kTiny = -0x1p-9F;  // by the scale of its tile it rounds to minus zero
  const std::vector<float> tiny = {kTiny, kTiny, kTiny, 448,   448, kTiny, NAN, kTiny,
                                   kTiny, NAN,   0,     kTiny, 0,   0,     448, 448};
  std::vector<float> infinite(16, 1);
  infinite[1] = -1;
  const UploadedMatrix matrix(two_tiles(tiny, 0x1p-131F, infinite, INFINITY));
  std::vector<uint16_t> ones(128);
  ones[0] = model::float_to_bf16(1);
  const DeviceValues<uint16_t> input(ones);
  const PlayedRanks played(128, 1, 2);
  const PartialRows output = played.exchange(0)->partial(0);
  kernels::launch_plain_linear({pushed(1, 0, matrix.matrix(), output),
                                {.rows = {as_bf16(input)}, .stride = 128, .columns = 128}},
                               {.stream = played.stream()});
  played.synchronize();
  const std::vector<uint16_t> sent = played.rows(0, 1, 0);
  const auto value = [&](int row) { return model::bf16_to_float(sent[row]); };
  EXPECT_EQ(sent[0], 0) << "both of a pair of minus zeros become zeros";
  EXPECT_EQ(sent[1], 0);
  EXPECT_EQ(sent[2], kMinusZero) << "one alone stays";
  EXPECT_GT(value(3), 0);
  EXPECT_GT(value(4), 0);
  EXPECT_EQ(sent[5], kMinusZero);
  EXPECT_TRUE(std::isnan(value(6)));
  EXPECT_EQ(sent[7], kMinusZero);
  EXPECT_EQ(sent[8], kMinusZero);
  EXPECT_TRUE(std::isnan(value(9)));
  EXPECT_EQ(sent[10], 0);
  EXPECT_EQ(sent[11], kMinusZero);
  EXPECT_EQ(sent[12], 0);
  EXPECT_EQ(value(16), INFINITY);
  EXPECT_EQ(value(17), -INFINITY);
}

}  // namespace
}  // namespace slipstream::step::test
