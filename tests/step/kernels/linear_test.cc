// The matrix products against the reference.

#include "model/reference/linear.h"

#include <gtest/gtest.h>

#include "model/reference/norms.h"
#include "pdl/stream.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/support/division.h"
#include "tests/model/support/golden.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/coded_rows.h"
#include "tests/step/kernels/packed_weights.h"

namespace slipstream::step::test::linear_test {
namespace {

using model::reference::Numerics;

kernels::LinearParams one_segment(const kernels::PackedMatrix& matrix, float* output, int tokens,
                                  bool ue8m0) {
  kernels::LinearParams params;
  params.segments[0] = {matrix, {output}, matrix.rows, true};
  params.segment_count = 1;
  params.tokens = tokens;
  params.ue8m0 = ue8m0;
  return params;
}

int operand_bytes(int columns, int tokens) {
  return kernels::OperandImage(kernels::ceil_div(columns, kernels::kGroup), tokens).bytes;
}

// Results in fp32, before the rounding to bf16 that would hide small errors.
void expect_close(const std::vector<float>& actual, const model::reference::Matrix& expected) {
  ASSERT_EQ(actual.size(), expected.values().size());
  double largest = 0;
  for (const float value : expected.values()) {
    largest = std::max(largest, std::fabs(static_cast<double>(value)));
  }
  // The reference's sums are rounded to bf16: half a unit in the last place is 2^-9 of the value.
  for (size_t i = 0; i < actual.size(); ++i) {
    const double expected_value = expected.values()[i];
    EXPECT_NEAR(actual[i], expected_value, std::fabs(expected_value) / 256 + largest * 1e-5)
        << "element " << i;
  }
}

struct Case {
  int tokens;
  int rows;
  int columns;
  bool fp8;
  bool ue8m0;
  int cluster_ctas = 0;  // 0: as the plan has it
};

class LinearKernel : public testing::TestWithParam<Case> {};

TEST_P(LinearKernel, AgreesWithTheReference) {
  const Case& c = GetParam();
  const HostWeights weights(c.rows, c.columns, c.fp8, 1);
  const model::reference::Matrix x = rounded(model::test::random_matrix(c.tokens, c.columns, 2));
  const UploadedMatrix matrix(pack(weights.share()));
  const DeviceValues<uint16_t> input(to_bf16(x));
  const DeviceValues<uint8_t> operands(operand_bytes(c.columns, c.tokens));
  const auto run = [&](unsigned char* prepared) {
    const DeviceValues<float> output(static_cast<size_t>(c.tokens) * c.rows);
    const pdl::Stream stream;
    kernels::LinearParams params = one_segment(matrix.matrix(), output.data(), c.tokens, c.ue8m0);
    if (c.cluster_ctas > 0)
      (void)kernels::plan_linear(params, kernels::linear_limits(), c.cluster_ctas);
    kernels::launch_plain_linear({params,
                                  {.rows = {reinterpret_cast<const __nv_bfloat16*>(input.data())},
                                   .stride = c.columns,
                                   .columns = c.columns,
                                   .operands = {prepared}}},
                                 {.stream = stream.get()});
    check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    return output.download();
  };
  const Numerics numerics{.ue8m0 = c.ue8m0};
  const std::vector<float> in_every_cta = run(nullptr);
  const std::vector<float> once = run(operands.data());
  expect_close(in_every_cta, model::reference::linear(numerics, weights.linear(), x));
  expect_close(once, model::reference::linear(numerics, weights.linear(), x));
  if (c.cluster_ctas > 0) {
    EXPECT_EQ(once, in_every_cta);  // sums in one order
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LinearKernel,
    testing::Values(Case{1, 272, 384, true, false}, Case{3, 272, 1280, true, true},
                    Case{16, 144, 256, true, false}, Case{9, 40, 128, true, true},
                    Case{1, 33, 384, false, false}, Case{16, 48, 1152, false, false},
                    Case{1, 2200, 384, true, true}, Case{2, 2200, 128, false, false},
                    Case{1, 272, 1280, true, true, 2}, Case{4, 272, 1152, true, false, 4},
                    Case{16, 41, 1152, true, true, 8}, Case{1, 8, 1024, false, false, 8},
                    Case{9, 650, 640, false, false, 4}, Case{1, 80, 9216, true, true, 1},
                    Case{16, 33, 7168, false, false, 8},
                    // Eight lanes for each group of a token's columns.
                    Case{3, 272, 1024, true, true, 1}, Case{4, 40, 1024, false, false, 1},
                    // Several rounds of staging.
                    Case{7, 40, 2048, true, false, 1}, Case{12, 24, 3072, false, false, 1},
                    Case{9, 16, 16512, true, false, 8},
                    // More columns than a cluster quantizes for others.
                    Case{9, 16, 29824, true, false, 8}),
    [](const auto& info) {
      const Case& c = info.param;
      return "M" + std::to_string(c.tokens) + "N" + std::to_string(c.rows) + "K" +
             std::to_string(c.columns) + (c.fp8 ? "Fp8" : "Bf16") + (c.ue8m0 ? "Ue8m0" : "") +
             (c.cluster_ctas > 0 ? "Cluster" + std::to_string(c.cluster_ctas) : "");
    });

__nv_bfloat16* bf16(const DeviceValues<uint16_t>& values) {
  return reinterpret_cast<__nv_bfloat16*>(values.data());
}

// Residual and delta through a norm into an fp8 and a bf16 matrix of one launch.
struct NormCase {
  int tokens;
  int columns;
  int cluster_ctas;
  int fp8_rows = 200;
};

class NormLinearKernel : public testing::TestWithParam<NormCase> {};

TEST_P(NormLinearKernel, AddsNormalizesAndStoresSumAndNormAndItsCodes) {
  const auto [kTokens, kColumns, kClusterCtas, kFp8Rows] = GetParam();
  constexpr float kEps = 1e-5F;
  constexpr int kBf16Rows = 24;
  const HostWeights fp8(kFp8Rows, kColumns, true, 3);
  const HostWeights other(kBf16Rows, kColumns, false, 7);
  const model::reference::Matrix residual =
      rounded(model::test::random_matrix(kTokens, kColumns, 4));
  const model::reference::Matrix delta = rounded(model::test::random_matrix(kTokens, kColumns, 5));
  const model::reference::Matrix gamma = model::test::random_matrix(1, kColumns, 6);
  const UploadedMatrix fp8_matrix(pack(fp8.share()));
  const UploadedMatrix other_matrix(pack(other.share()));
  const DeviceValues<uint16_t> device_residual(to_bf16(residual));
  const DeviceValues<uint16_t> device_delta(to_bf16(delta));
  const DeviceValues<float> device_gamma(gamma.values());
  const DeviceValues<uint16_t> sum(residual.values().size());
  const DeviceValues<uint16_t> normed(residual.values().size());
  const DeviceValues<uint8_t> codes(kernels::code_bytes(kColumns / kernels::kUnitCodes * kTokens));
  const DeviceValues<float> output(static_cast<size_t>(kTokens) * kFp8Rows);
  const DeviceValues<float> other_output(static_cast<size_t>(kTokens) * kBf16Rows);
  kernels::LinearParams params = one_segment(fp8_matrix.matrix(), output.data(), kTokens, true);
  params.segments[params.segment_count++] = {
      other_matrix.matrix(), {other_output.data()}, kBf16Rows, true};
  if (kClusterCtas > 0) (void)kernels::plan_linear(params, kernels::linear_limits(), kClusterCtas);
  const pdl::Stream stream;
  kernels::launch_norm_linear({params,
                               {.rows = {bf16(device_residual)},
                                .stride = kColumns,
                                .delta = {bf16(device_delta)},
                                .gamma = {device_gamma.data()},
                                .columns = kColumns,
                                .eps = kEps,
                                .sum = {bf16(sum)},
                                .normed = {bf16(normed)},
                                .codes = {codes.data()}}},
                              {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");

  model::reference::Matrix expected_sum = residual;
  for (size_t i = 0; i < expected_sum.values().size(); ++i) {
    expected_sum.values()[i] += delta.values()[i];
  }
  EXPECT_EQ(sum.download(), to_bf16(expected_sum));
  const Numerics numerics{.ue8m0 = true};
  const model::reference::Matrix norm =
      model::reference::rms_norm(numerics, expected_sum, gamma.row(0), kEps);
  // Where a norm falls on the other side of a rounding, a value differs by one of its 256 steps,
  // and a code by one of its 8.
  const auto expect_equal = [&](const std::vector<float>& actual,
                                const model::reference::Matrix& expected) {
    model::reference::Matrix result = expected;
    result.values() = actual;
    for (const double error : model::test::relative_errors(result, expected))
      EXPECT_LT(error, 4e-3);
  };
  std::vector<float> stored;
  for (const uint16_t bits : normed.download()) stored.push_back(model::bf16_to_float(bits));
  expect_equal(stored, norm);
  model::reference::Matrix exact = norm;
  exact.values() = stored;
  EXPECT_EQ(codes.download(), coded_rows(exact, true));
  expect_equal(output.download(), model::reference::linear(numerics, fp8.linear(), norm));
  expect_equal(other_output.download(), model::reference::linear(numerics, other.linear(), norm));
}

INSTANTIATE_TEST_SUITE_P(Shapes, NormLinearKernel,
                         testing::Values(NormCase{5, 384, 0}, NormCase{1, 1280, 2},
                                         NormCase{16, 1152, 8}, NormCase{3, 1280, 1},
                                         NormCase{3, 7168, 1}),
                         [](const auto& info) {
                           const NormCase& c = info.param;
                           return "M" + std::to_string(c.tokens) + "K" + std::to_string(c.columns) +
                                  "Cluster" + std::to_string(c.cluster_ctas);
                         });

// Rows through a norm into bf16 results, as bits, with two CTAs for the columns.
std::vector<uint16_t> normed_product(const kernels::PackedMatrix& matrix,
                                     const DeviceValues<float>& gamma,
                                     const model::reference::Matrix& rows) {
  const DeviceValues<uint16_t> input(to_bf16(rows));
  const DeviceValues<uint16_t> output(rows.rows() * static_cast<size_t>(matrix.rows));
  kernels::LinearParams params;
  params.segments[0] = {matrix, {output.data()}, matrix.rows, false};
  params.segment_count = 1;
  params.tokens = static_cast<int>(rows.rows());
  (void)kernels::plan_linear(params, kernels::linear_limits(), 2);
  const pdl::Stream stream;
  kernels::launch_norm_linear({params,
                               {.rows = {bf16(input)},
                                .stride = matrix.columns,
                                .gamma = {gamma.data()},
                                .columns = matrix.columns,
                                .eps = 1e-5F}},
                              {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  return output.download();
}

TEST(NormLinear, GivesATokenTheSameBitsHoweverManyThereAre) {
  constexpr int kRows = 70;
  constexpr int kColumns = 1408;
  const HostWeights weights(kRows, kColumns, true, 3);
  const UploadedMatrix matrix(pack(weights.share()));
  const DeviceValues<float> gamma(model::test::random_matrix(1, kColumns, 6).values());
  const model::reference::Matrix all = rounded(model::test::random_matrix(16, kColumns, 4));
  const std::vector<uint16_t> expected = normed_product(matrix.matrix(), gamma, all);
  for (const int tokens : {1, 2, 3, 5, 8, 9}) {
    model::reference::Matrix some(tokens, kColumns);
    std::copy_n(all.values().begin(), some.values().size(), some.values().begin());
    const std::vector<uint16_t> actual = normed_product(matrix.matrix(), gamma, some);
    EXPECT_TRUE(std::equal(actual.begin(), actual.end(), expected.begin())) << tokens;
  }
}

// What a norm and its two matrices give, as bits.
struct NormedBits {
  std::vector<uint16_t> sum;
  std::vector<uint16_t> normed;
  std::vector<uint8_t> codes;
  std::vector<float> of_fp8;
  std::vector<float> of_bf16;

  bool operator==(const NormedBits&) const = default;
};

class PreparedNormLinear : public testing::TestWithParam<NormCase> {
 protected:
  // `once`: the operands are made by a launch of their own.
  [[nodiscard]] NormedBits run(bool once, bool ue8m0) const {
    const auto [tokens, columns, cluster_ctas, fp8_rows] = GetParam();
    const UploadedMatrix fp8(pack(HostWeights(fp8_rows, columns, true, 3).share()));
    const UploadedMatrix bf16_matrix(pack(HostWeights(24, columns, false, 7).share()));
    const DeviceValues<uint16_t> rows(
        to_bf16(rounded(model::test::random_matrix(tokens, columns, 4))));
    const DeviceValues<uint16_t> delta(
        to_bf16(rounded(model::test::random_matrix(tokens, columns, 5))));
    const DeviceValues<float> gamma(model::test::random_matrix(1, columns, 6).values());
    const size_t size = static_cast<size_t>(tokens) * columns;
    const DeviceValues<uint16_t> sum(size);
    const DeviceValues<uint16_t> normed(size);
    const int groups = kernels::ceil_div(columns, kernels::kGroup);
    const DeviceValues<uint8_t> codes(kernels::code_bytes(groups * tokens));
    const DeviceValues<uint8_t> operands(operand_bytes(columns, tokens));
    const DeviceValues<float> of_fp8(static_cast<size_t>(tokens) * fp8_rows);
    const DeviceValues<float> of_bf16(static_cast<size_t>(tokens) * 24);
    kernels::LinearParams params = one_segment(fp8.matrix(), of_fp8.data(), tokens, ue8m0);
    params.segments[params.segment_count++] = {bf16_matrix.matrix(), {of_bf16.data()}, 24, true};
    (void)kernels::plan_linear(params, kernels::linear_limits(), cluster_ctas);
    const pdl::Stream stream;
    kernels::launch_norm_linear({params,
                                 {.rows = {bf16(rows)},
                                  .stride = columns,
                                  .delta = {bf16(delta)},
                                  .gamma = {gamma.data()},
                                  .columns = columns,
                                  .eps = 1e-5F,
                                  .sum = {bf16(sum)},
                                  .normed = {bf16(normed)},
                                  .codes = {codes.data()},
                                  .operands = {once ? operands.data() : nullptr}}},
                                {.stream = stream.get()});
    check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    return {sum.download(), normed.download(), codes.download(), of_fp8.download(),
            of_bf16.download()};
  }
};

TEST_P(PreparedNormLinear, GivesTheSameBitsAsCtasThatEachNormTheirColumns) {
  for (const bool ue8m0 : {false, true}) EXPECT_EQ(run(true, ue8m0), run(false, ue8m0)) << ue8m0;
}

INSTANTIATE_TEST_SUITE_P(Shapes, PreparedNormLinear,
                         testing::Values(NormCase{8, 2048, 1}, NormCase{15, 1152, 8},
                                         NormCase{16, 1280, 2}, NormCase{5, 7168, 4},
                                         NormCase{6, 1536, 4, 8192}),
                         [](const auto& info) {
                           const NormCase& c = info.param;
                           return "M" + std::to_string(c.tokens) + "K" + std::to_string(c.columns) +
                                  "Cluster" + std::to_string(c.cluster_ctas);
                         });

// As a step has them: the head's rows and those of a projected latent, of ranks of eight.
TEST(PreparedNorm, PaysFromFewerGroupsOnWithManyRows) {
  const DeviceValues<uint8_t> operands(1);
  const auto pays = [&](int tokens, int columns, int rows) {
    kernels::LinearParams params;
    params.segments[params.segment_count++].matrix = {.rows = rows, .columns = columns};
    params.tokens = tokens;
    return kernels::is_prepared(params, {.columns = columns, .operands = {operands.data()}});
  };
  EXPECT_FALSE(pays(1, 7168, 16160));
  EXPECT_TRUE(pays(2, 7168, 16160));
  EXPECT_FALSE(pays(5, 1536, 11264));
  EXPECT_TRUE(pays(6, 1536, 11264));
  EXPECT_FALSE(pays(8, 1536, 2048));
  EXPECT_TRUE(pays(9, 1536, 2048));
}

// 28 groups take all registers of a multiprocessor, and a cluster has eight.
TEST(PreparedNorm, IsNotMadeOfMoreColumnsThanAClusterHasThreadsFor) {
  const DeviceValues<uint8_t> operands(1);
  const auto is_made = [&](int groups) {
    kernels::LinearParams params;
    const int columns = groups * kernels::kGroup;
    params.segments[params.segment_count++].matrix = {.rows = 16, .columns = columns};
    params.tokens = 9;
    return kernels::is_prepared(params, {.columns = columns, .operands = {operands.data()}});
  };
  EXPECT_TRUE(is_made(8 * 28));
  EXPECT_FALSE(is_made(8 * 28 + 1));
}

// Where no matrix takes codes, they are made for later launches all the same.
TEST(NormLinear, StoresCodesNextToABf16Matrix) {
  constexpr int kColumns = 640;
  const HostWeights weights(24, kColumns, false, 3);
  const UploadedMatrix matrix(pack(weights.share()));
  const DeviceValues<float> gamma(model::test::random_matrix(1, kColumns, 6).values());
  for (const int tokens : {1, 5, 7, 16}) {
    const DeviceValues<uint16_t> input(
        to_bf16(rounded(model::test::random_matrix(tokens, kColumns, 4))));
    const DeviceValues<uint16_t> normed(static_cast<size_t>(tokens) * kColumns);
    const DeviceValues<uint8_t> codes(kernels::code_bytes(kColumns / kernels::kUnitCodes * tokens));
    const DeviceValues<float> output(static_cast<size_t>(tokens) * 24);
    const pdl::Stream stream;
    kernels::launch_norm_linear({one_segment(matrix.matrix(), output.data(), tokens, false),
                                 {.rows = {bf16(input)},
                                  .stride = kColumns,
                                  .gamma = {gamma.data()},
                                  .columns = kColumns,
                                  .eps = 1e-5F,
                                  .normed = {bf16(normed)},
                                  .codes = {codes.data()}}},
                                {.stream = stream.get()});
    check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    model::reference::Matrix rows(tokens, kColumns);
    std::ranges::transform(normed.download(), rows.values().begin(), model::bf16_to_float);
    EXPECT_EQ(codes.download(), coded_rows(rows, false)) << tokens;
  }
}

// As large as the head of a model that few ranks share.
kernels::LinearParams head_of(int rows, int tokens) {
  kernels::LinearParams params;
  params.segments[0] = {{.rows = rows, .columns = 7168}, {}, rows, true};
  params.segment_count = 1;
  params.tokens = tokens;
  return params;
}

TEST(LinearPlan, FitsIntoSharedMemory) {
  for (const int rows : {16160, 32320}) {
    kernels::LinearParams params = head_of(rows, 16);
    const kernels::LinearShape shape = kernels::plan_linear(params, kernels::linear_limits());
    EXPECT_LE(static_cast<int>(shape.shared_bytes), kernels::device_limits().shared_bytes) << rows;
  }
}

// The output projections of a rank of eight of DeepSeek-V3.2 and GLM-5, before a router that spreads.
TEST(LinearPlan, LeavesRoomForALaunchThatSpreads) {
  constexpr size_t kMultiprocessorBytes = size_t{228} * 1024;
  constexpr size_t kTakenBesides = 1024 + 640;  // of each CTA: by the system, and LinearShared
  for (const int rows : {7168, 6144}) {
    for (int tokens = 1; tokens <= 4; ++tokens) {
      kernels::LinearParams params = head_of(rows, tokens);
      params.segments[0].matrix.columns = 2048;
      const kernels::LinearShape shape = kernels::plan_linear(params, kernels::linear_limits());
      EXPECT_LE(shape.shared_bytes + kernels::kSpreadingBytes + 2 * kTakenBesides,
                kMultiprocessorBytes)
          << rows << " rows, " << tokens << " tokens";
    }
  }
}

TEST(LinearPlan, TakesNoClusterThatTheDeviceHasNoRoomFor) {
  const kernels::ClusterLimits few{{4, 2, 1, 0}};
  kernels::LinearParams params = head_of(272, 1);
  EXPECT_LE(kernels::plan_linear(params, few).cluster_ctas, 4);
  EXPECT_GT(params.clusters, 0);
  EXPECT_THROW((void)kernels::plan_linear(params, few, 8), InvalidArgument);
}

// The head of one of two ranks, and of one rank alone.
TEST(LinearPlan, CutsRowsIntoAsFewLaunchesAsFit) {
  const kernels::ClusterLimits& limits = kernels::linear_limits();
  EXPECT_EQ(kernels::launches_needed(head_of(32320, 16), limits), 1);
  for (const int rows : {64640, 129280}) {
    const kernels::LinearParams whole = head_of(rows, 16);
    const int launches = kernels::launches_needed(whole, limits);
    EXPECT_EQ(launches, rows / 32320 / 2 * 2) << rows;
    kernels::LinearParams part =
        kernels::tiles_of(whole, 0, kernels::ceil_div(whole.tile_count(), launches));
    EXPECT_NO_THROW((void)kernels::plan_linear(part, limits)) << rows;
  }
}

TEST(Linear, OfSomeTilesGivesTheirRows) {
  constexpr int kTokens = 2;
  constexpr int kColumns = 256;
  const HostWeights fp8(72, kColumns, true, 1);
  const HostWeights bf16(40, kColumns, false, 2);
  const UploadedMatrix fp8_matrix(pack(fp8.share()));
  const UploadedMatrix bf16_matrix(pack(bf16.share()));
  const model::reference::Matrix x = rounded(model::test::random_matrix(kTokens, kColumns, 3));
  const DeviceValues<uint16_t> input(to_bf16(x));
  const DeviceValues<float> of_fp8(size_t{kTokens} * 72);
  const DeviceValues<float> of_bf16(size_t{kTokens} * 40);
  kernels::LinearParams whole = one_segment(fp8_matrix.matrix(), of_fp8.data(), kTokens, false);
  whole.segments[whole.segment_count++] = {bf16_matrix.matrix(), {of_bf16.data()}, 40, true};
  const pdl::Stream stream;
  const int tiles = whole.tile_count();
  for (const auto& [first, last] : {std::pair{0, 3}, {3, 6}, {6, tiles}}) {
    kernels::launch_plain_linear({kernels::tiles_of(whole, first, last),
                                  {.rows = {reinterpret_cast<const __nv_bfloat16*>(input.data())},
                                   .stride = kColumns,
                                   .columns = kColumns}},
                                 {.stream = stream.get()});
  }
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  expect_close(of_fp8.download(), model::reference::linear({}, fp8.linear(), x));
  expect_close(of_bf16.download(), model::reference::linear({}, bf16.linear(), x));
}

TEST(LinearPlan, RefusesMoreThanSharedMemoryHolds) {
  kernels::LinearParams params = head_of(129280, 16);
  try {
    (void)kernels::plan_linear(params, kernels::linear_limits());
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("16 tokens times 129280 rows of 7168 columns must"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace slipstream::step::test::linear_test
