// The matrix product for one or two tokens and few rows (a router): nothing but latency.
//
// Data flow. A CTA owns two rows, so that a matrix of 256 rows keeps almost every SM busy, and all
// their columns, so that no sum crosses a CTA. Each thread holds its 16-byte pieces of both rows in
// registers, multiplies them with the same pieces of the activations in fp32, and the partial sums
// are added by shuffles within the warp and through shared memory across warps, in a fixed order.
// For more tokens every CTA would read too much activation; skinny_gemm_kernel shares it better.
//
// PDL contract. Before the wait: weights (constant) into registers. After it: activations, output.
// The trigger comes first, so that the next kernel's weights stream while this one waits.
#pragma once

#include <cuda_bf16.h>

#include "ops/skinny_gemm/params.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {
namespace skinny_gemv {

inline constexpr int kThreads = 256;
inline constexpr int kWarps = kThreads / 32;
inline constexpr int kRows = 2;    // per CTA
inline constexpr int kPieces = 4;  // of 16 bytes that a thread holds of each row
inline constexpr int kPieceColumns = 8;
inline constexpr int kMaxColumns = kThreads * kPieces * kPieceColumns;

// sum += the eight products of two pieces.
__device__ __forceinline__ void multiply_add(float& sum, const uint4& a, const uint4& b) {
  const uint32_t a_words[4] = {a.x, a.y, a.z, a.w};
  const uint32_t b_words[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    // A bfloat16 is the upper half of a float32.
    sum += __uint_as_float(a_words[i] << 16) * __uint_as_float(b_words[i] << 16);
    sum += __uint_as_float(a_words[i] & 0xffff0000U) * __uint_as_float(b_words[i] & 0xffff0000U);
  }
}

// The thread's pieces of one row of bfloat16; zero beyond the last column.
__device__ __forceinline__ void load_pieces(const __nv_bfloat16* row, int columns,
                                            uint4 (&pieces)[kPieces]) {
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    const int column = (i * kThreads + static_cast<int>(threadIdx.x)) * kPieceColumns;
    pieces[i] =
        column < columns ? *reinterpret_cast<const uint4*>(row + column) : make_uint4(0, 0, 0, 0);
  }
}

}  // namespace skinny_gemv

template <int kTokens>
__global__ void __launch_bounds__(skinny_gemv::kThreads, 2)
    skinny_gemv_kernel(const __grid_constant__ SkinnyGemmParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  using namespace skinny_gemv;
  __shared__ float partials[kWarps][kRows * kTokens];
  pdl::trigger();
  const int first_row = static_cast<int>(blockIdx.x) * kRows;
  uint4 weights[kRows][kPieces];
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    load_pieces(params.weights.get() + (first_row + row) * params.weight_stride, params.columns,
                weights[row]);
  }

  pdl::wait();
  uint4 x[kTokens][kPieces];
#pragma unroll
  for (int token = 0; token < kTokens; ++token) {
    load_pieces(params.activations.get() + token * params.activation_stride, params.columns,
                x[token]);
  }
#pragma unroll
  for (int output = 0; output < kRows * kTokens; ++output) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kPieces; ++i) {
      multiply_add(sum, weights[output / kTokens][i], x[output % kTokens][i]);
    }
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(~0U, sum, distance);
    }
    if (threadIdx.x % 32 == 0) partials[threadIdx.x / 32][output] = sum;
  }
  __syncthreads();

  const int output = static_cast<int>(threadIdx.x);
  if (output >= kRows * kTokens) return;
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) sum += partials[warp][output];
  const int64_t index = output % kTokens * params.output_stride + first_row + output / kTokens;
  if (params.output_is_float32) {
    static_cast<float*>(params.output.get())[index] = sum;
  } else {
    static_cast<__nv_bfloat16*>(params.output.get())[index] = __float2bfloat16_rn(sum);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
