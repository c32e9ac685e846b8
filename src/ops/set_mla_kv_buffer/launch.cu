#include <algorithm>

#include "ops/set_mla_kv_buffer/kernel.cuh"
#include "ops/set_mla_kv_buffer/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kSetMlaKvBufferDeclaration{
    .name = "set_mla_kv_buffer",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::set_mla_kv_buffer_kernel",
    .waits = true,
    .fields = kSetMlaKvBufferFields,
};

namespace {

// The widest vector, up to 16 bytes, that divides every address, stride and size.
int vector_bytes(const SetMlaKvBufferParams& params) {
  const auto address = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); };
  const uintptr_t all_bits = address(params.kv_buffer.data.get()) |
                             address(params.cache_k_nope.data.get()) |
                             address(params.cache_k_rope.data.get()) | params.kv_buffer.stride |
                             params.cache_k_nope.stride | params.cache_k_rope.stride |
                             params.nope_bytes | params.rope_bytes;
  return static_cast<int>(std::min<uintptr_t>(16, all_bits & -all_bits));
}

template <class Vector>
void launch_with(const SetMlaKvBufferParams& params, const pdl::LaunchOptions& options) {
  const int vectors = (params.nope_bytes + params.rope_bytes) / static_cast<int>(sizeof(Vector));
  const RowBlocks blocks = row_blocks(params.tokens, vectors);
  pdl::launch(kSetMlaKvBufferDeclaration, set_mla_kv_buffer_kernel<Vector>,
              {.grid = dim3(blocks.blocks), .block = blocks.block}, options, params);
}

}  // namespace

void launch_set_mla_kv_buffer(const SetMlaKvBufferParams& params,
                              const pdl::LaunchOptions& options) {
  switch (vector_bytes(params)) {
    case 16:
      return launch_with<uint4>(params, options);
    case 8:
      return launch_with<uint2>(params, options);
    case 4:
      return launch_with<uint32_t>(params, options);
    case 2:
      return launch_with<uint16_t>(params, options);
    default:
      return launch_with<uint8_t>(params, options);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
