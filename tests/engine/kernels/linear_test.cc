// The matrix products against the reference.

#include "engine/reference/linear.h"

#include <gtest/gtest.h>

#include "engine/kernels/linear/launch.h"
#include "engine/reference/norms.h"
#include "tests/engine/kernels/packed_weights.h"
#include "tests/engine/support/engine_runner.h"
#include "tests/engine/support/random.h"

namespace slipstream::engine::test {
namespace {

using reference::Numerics;

kernels::LinearParams one_segment(const kernels::PackedMatrix& matrix, float* output, int tokens,
                                  bool ue8m0) {
  kernels::LinearParams params;
  params.segments[0] = {matrix, {output}, matrix.rows, true};
  params.segment_count = 1;
  params.tokens = tokens;
  params.ue8m0 = ue8m0;
  return params;
}

// Results in fp32, before the rounding to bf16 that would hide small errors.
void expect_close(const std::vector<float>& actual, const Matrix& expected) {
  ASSERT_EQ(actual.size(), expected.values().size());
  double largest = 0;
  for (const float value : expected.values()) {
    largest = std::max(largest, std::fabs(static_cast<double>(value)));
  }
  // The reference's sums are rounded to bf16: half a unit in the last place is 2^-9 of the value.
  for (std::size_t i = 0; i < actual.size(); ++i) {
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
};

class LinearKernel : public testing::TestWithParam<Case> {};

TEST_P(LinearKernel, AgreesWithTheReference) {
  const Case& c = GetParam();
  const HostWeights weights(c.rows, c.columns, c.fp8, 1);
  const Matrix x = rounded(random_matrix(c.tokens, c.columns, 2));
  const UploadedMatrix matrix(pack(weights.share()));
  const DeviceValues<std::uint16_t> input(to_bf16(x));
  const DeviceValues<float> output(static_cast<std::size_t>(c.tokens) * c.rows);
  const EngineStream stream;
  kernels::launch_plain_linear({one_segment(matrix.matrix(), output.data(), c.tokens, c.ue8m0),
                                {.rows = {reinterpret_cast<const __nv_bfloat16*>(input.data())},
                                 .stride = c.columns,
                                 .columns = c.columns}},
                               {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  const Numerics numerics{.ue8m0 = c.ue8m0};
  expect_close(output.download(), reference::linear(numerics, weights.linear(), x));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LinearKernel,
    testing::Values(Case{1, 272, 384, true, false}, Case{3, 272, 1280, true, true},
                    Case{16, 144, 256, true, false}, Case{9, 40, 128, true, true},
                    Case{1, 33, 384, false, false}, Case{16, 48, 1152, false, false}),
    [](const auto& info) {
      const Case& c = info.param;
      return "M" + std::to_string(c.tokens) + "N" + std::to_string(c.rows) + "K" +
             std::to_string(c.columns) + (c.fp8 ? "Fp8" : "Bf16") + (c.ue8m0 ? "Ue8m0" : "");
    });

TEST(NormLinearKernel, AddsNormalisesAndStoresTheRoundedSum) {
  constexpr int kTokens = 5;
  constexpr int kColumns = 384;
  constexpr float kEps = 1e-5F;
  const HostWeights weights(64, kColumns, true, 3);
  const Matrix residual = rounded(random_matrix(kTokens, kColumns, 4));
  const Matrix delta = rounded(random_matrix(kTokens, kColumns, 5));
  const Matrix gamma = random_matrix(1, kColumns, 6);
  const UploadedMatrix matrix(pack(weights.share()));
  const DeviceValues<std::uint16_t> device_residual(to_bf16(residual));
  const DeviceValues<std::uint16_t> device_delta(to_bf16(delta));
  const DeviceValues<float> device_gamma(gamma.values());
  const DeviceValues<std::uint16_t> sum(residual.values().size());
  const DeviceValues<float> output(kTokens * 64);
  const auto bf16 = [](std::uint16_t* bits) { return reinterpret_cast<__nv_bfloat16*>(bits); };
  const EngineStream stream;
  kernels::launch_norm_linear({one_segment(matrix.matrix(), output.data(), kTokens, true),
                               {.rows = {bf16(device_residual.data())},
                                .stride = kColumns,
                                .delta = {bf16(device_delta.data())},
                                .gamma = {device_gamma.data()},
                                .columns = kColumns,
                                .eps = kEps,
                                .sum = {bf16(sum.data())}}},
                              {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");

  Matrix expected_sum = residual;
  for (std::size_t i = 0; i < expected_sum.values().size(); ++i) {
    expected_sum.values()[i] += delta.values()[i];
  }
  EXPECT_EQ(sum.download(), to_bf16(expected_sum));
  const Numerics numerics{.ue8m0 = true};
  const Matrix normed = reference::rms_norm(numerics, expected_sum, gamma.row(0), kEps);
  const Matrix expected = reference::linear(numerics, weights.linear(), normed);
  // Where the norm falls on the other side of a rounding, a code differs by one of its 8 steps.
  const std::vector<float> actual = output.download();
  Matrix result(kTokens, 64);
  result.values() = actual;
  for (const double error : relative_errors(result, expected)) EXPECT_LT(error, 4e-3);
}

}  // namespace
}  // namespace slipstream::engine::test
