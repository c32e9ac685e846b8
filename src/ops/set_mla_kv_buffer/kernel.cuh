// Copies one row per token into the slot that loc names.
//
// Threads (x) stand side by side over the row's vectors, first the nope part, then the rope part; a
// CTA holds one row or a few (y). The vector is the widest access that the addresses, the strides
// and the seam between the parts allow; with 16 bytes a 576-element bfloat16 row is 72 threads with
// one vector each.
//
// PDL: every thread triggers at entry, so that the next kernel's CTAs are placed while this one
// waits, and computes its addresses. After the wait the slot and the row are loaded together, one
// round trip to memory, then the row is stored if the slot allows it. Nothing is read before the
// wait: all inputs are produced memory.
#pragma once

#include "cuda/memory.cuh"
#include "ops/set_mla_kv_buffer/params.h"
#include "ops/support/row_blocks.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

// Where vector `index` of a token's row comes from.
template <class Vector>
__device__ __forceinline__ const Vector* row_vector(const SetMlaKvBufferParams& params,
                                                    int64_t token, int index) {
  const int byte = index * static_cast<int>(sizeof(Vector));
  const bool in_nope = byte < params.nope_bytes;
  const uint8_t* row =
      in_nope ? params.cache_k_nope.row(token) : params.cache_k_rope.row(token) - params.nope_bytes;
  return reinterpret_cast<const Vector*>(row + byte);
}

template <class Vector>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    set_mla_kv_buffer_kernel(const __grid_constant__ SetMlaKvBufferParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int64_t token = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const int vectors = (params.nope_bytes + params.rope_bytes) / static_cast<int>(sizeof(Vector));
  const Vector* first_source = row_vector<Vector>(params, token, threadIdx.x);
  const void* slot_address = index_address(params.slots.loc, token);

  cuda::settle(first_source, slot_address);
  pdl::wait();
  if (token >= params.tokens) return;
  Vector first = *first_source;
  const int64_t slot = load_index(params.slots.loc, slot_address);
  cuda::keep(first);
  if (!admit_slot(params.slots, slot, threadIdx.x == 0)) return;
  auto* target = reinterpret_cast<Vector*>(params.kv_buffer.row(slot));
  target[threadIdx.x] = first;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x + blockDim.x); i < vectors; i += blockDim.x) {
    target[i] = *row_vector<Vector>(params, token, i);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
