// Scales the indexer's head gates: two loads, two multiplications, one store.
//
// Threads (x) stand over the heads of a token, four each where everything lies side by side
// (kWide), else one; a CTA holds several tokens (y). Fewer instructions than this are not needed:
// at 64 heads a token is 16 threads.
//
// PDL: trigger at entry, addresses, wait, both loads together, store.
#pragma once

#include <type_traits>

#include "cuda/memory.cuh"
#include "ops/q_scale/params.h"
#include "ops/support/row_blocks.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

__device__ __forceinline__ float gate(float weight, float q_scale, float softmax_scale) {
  return __fmul_rn(__fmul_rn(weight, q_scale), softmax_scale);
}

__device__ __forceinline__ float4 gate(float4 weight, float4 q_scale, float softmax_scale) {
  return {gate(weight.x, q_scale.x, softmax_scale), gate(weight.y, q_scale.y, softmax_scale),
          gate(weight.z, q_scale.z, softmax_scale), gate(weight.w, q_scale.w, softmax_scale)};
}

template <bool kWide>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    q_scale_kernel(const __grid_constant__ QScaleParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  using Vector = std::conditional_t<kWide, float4, float>;
  constexpr int kHeadsPerThread = sizeof(Vector) / sizeof(float);
  pdl::trigger();
  const int64_t token = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  int head = static_cast<int>(threadIdx.x) * kHeadsPerThread;
  const auto* weight = reinterpret_cast<const Vector*>(params.weights.at(token, head));
  const auto* q_scale = reinterpret_cast<const Vector*>(params.q_scale.at(token, head));
  auto* output = reinterpret_cast<Vector*>(params.output.at(token, head));

  cuda::settle(weight, q_scale, output);
  pdl::wait();
  if (token >= params.tokens) return;
#pragma unroll 1
  while (true) {
    *output = gate(*weight, *q_scale, params.softmax_scale);
    head += static_cast<int>(blockDim.x) * kHeadsPerThread;
    if (head >= params.heads) return;
    weight = reinterpret_cast<const Vector*>(params.weights.at(token, head));
    q_scale = reinterpret_cast<const Vector*>(params.q_scale.at(token, head));
    output = reinterpret_cast<Vector*>(params.output.at(token, head));
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
