// What the matrix products for 1 to 16 tokens refuse, and their reference by hand.
#include <cuda_bf16.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "ops/skinny_gemm/operators.h"
#include "ops/skinny_gemm/reference.h"
#include "support/mirror.h"
#include "support/rejection.h"

namespace slipstream::ops::skinny_gemm_check_test {
namespace {

using test::expect_rejected;
using test::make_tensor;

struct alignas(16) Row {
  __nv_bfloat16 values[128];
};

std::vector<Row> ones(size_t rows) {
  std::vector<Row> filled(rows);
  for (Row& row : filled) {
    for (__nv_bfloat16& value : row.values) value = __float2bfloat16(1.0F);
  }
  return filled;
}

struct Call {
  std::vector<Row> x_rows = ones(2);
  std::vector<Row> weight_rows = ones(16);
  std::vector<float> output_values = std::vector<float>(32);
  Tensor x = make_tensor(x_rows.data(), DType::kBFloat16, {2, 128});
  Tensor weights = make_tensor(weight_rows.data(), DType::kBFloat16, {16, 128});
  Tensor output = make_tensor(output_values.data(), DType::kFloat32, {2, 16});

  [[nodiscard]] SkinnyGemmParams router() const {
    return check_dsv3_router_gemm(Arguments("dsv3_router_gemm", MemoryPlace::kHost), x, weights,
                                  output);
  }
  [[nodiscard]] SkinnyGemmParams fused_a(const Tensor& mat_b, const Tensor& out) const {
    return check_dsv3_fused_a_gemm(Arguments("dsv3_fused_a_gemm", MemoryPlace::kHost), x, mat_b,
                                   out);
  }
};

TEST(RouterGemmCheck, RejectsSeventeenTokens) {
  Call call;
  call.x.shape[0] = call.output.shape[0] = 17;
  expect_rejected("dsv3_router_gemm: M (tokens) must be from 0 to 16, is 17",
                  [&] { static_cast<void>(call.router()); });
}

TEST(RouterGemmCheck, RejectsColumnsThatAreNoMultipleOf128) {
  Call call;
  call.x = make_tensor(call.x_rows.data(), DType::kBFloat16, {1, 192});
  call.weights = make_tensor(call.weight_rows.data(), DType::kBFloat16, {8, 192});
  call.output = make_tensor(call.output_values.data(), DType::kFloat32, {1, 8});
  expect_rejected("K (columns) must be a multiple of 128, is 192",
                  [&] { static_cast<void>(call.router()); });
}

TEST(RouterGemmCheck, RejectsAnOddNumberOfExperts) {
  Call call;
  call.weights.shape[0] = call.output.shape[1] = 12;
  expect_rejected("N (rows of the weights) must be a multiple of 8, is 12",
                  [&] { static_cast<void>(call.router()); });
}

TEST(RouterGemmCheck, RejectsWeightsOfAnotherWidth) {
  Call call;
  call.weights.shape[1] = 64;
  expect_rejected("router_weights must be of size 128 in axis 1 (K, as hidden_states has)",
                  [&] { static_cast<void>(call.router()); });
}

TEST(RouterGemmCheck, RejectsFloat16) {
  Call call;
  call.x.dtype = DType::kFloat16;
  expect_rejected("hidden_states must be bfloat16, is float16[2, 128]",
                  [&] { static_cast<void>(call.router()); });
}

TEST(RouterGemmCheck, RejectsRowsThatAreNotAligned) {
  Call call;
  call.x.data = static_cast<uint8_t*>(call.x.data) + 2;
  call.x.shape[0] = call.output.shape[0] = 1;
  expect_rejected("hidden_states must be aligned to 16 bytes",
                  [&] { static_cast<void>(call.router()); });
}

TEST(RouterGemmCheck, RejectsANullPointer) {
  Call call;
  call.weights.data = nullptr;
  expect_rejected("router_weights must be", [&] { static_cast<void>(call.router()); });
}

TEST(RouterGemmCheck, RejectsAnOutputOverItsInput) {
  Call call;
  call.output.data = call.x.data;
  expect_rejected("output must be apart from hidden_states",
                  [&] { static_cast<void>(call.router()); });
}

TEST(FusedAGemmCheck, RejectsAWeightThatIsNotTransposed) {
  Call call;
  std::vector<__nv_bfloat16> out(32);
  expect_rejected("mat_b must be column-major, [K, N] with strides [1, row]", [&] {
    static_cast<void>(
        call.fused_a(make_tensor(call.weight_rows.data(), DType::kBFloat16, {128, 16}),
                     make_tensor(out.data(), DType::kBFloat16, {2, 16})));
  });
}

TEST(FusedAGemmCheck, RejectsAFloat32Output) {
  Call call;
  const Tensor mat_b =
      make_tensor(call.weight_rows.data(), DType::kBFloat16, {128, 16}, {0, {1, 128}});
  expect_rejected("output must be bfloat16, is float32[2, 16]",
                  [&] { static_cast<void>(call.fused_a(mat_b, call.output)); });
}

TEST(SkinnyGemmReference, SumsTheProducts) {
  Call call;
  call.x_rows[1].values[5] = __float2bfloat16(3.0F);
  skinny_gemm_reference(call.router());
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(call.output_values[i], i < 16 ? 128.0F : 130.0F);
  }
}

}  // namespace
}  // namespace slipstream::ops::skinny_gemm_check_test
