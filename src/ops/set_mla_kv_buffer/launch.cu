#include "ops/set_mla_kv_buffer/kernel.cuh"
#include "ops/set_mla_kv_buffer/launch.h"
#include "ops/support/views.h"

namespace slipstream::ops {

const pdl::KernelDeclaration kSetMlaKvBufferDeclaration{
    .name = "set_mla_kv_buffer",
    .symbol = "slipstream::ops::set_mla_kv_buffer_kernel",
    .waits = true,
    .fields = kSetMlaKvBufferFields,
};

namespace {

Rows<const uint8_t> as_bytes(const RowTensor& rows, int64_t element_bytes) {
  return {{static_cast<const uint8_t*>(rows.data)}, rows.stride * element_bytes};
}

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
void launch_with(const SetMlaKvBufferParams& params, const LaunchOptions& options) {
  const int vectors = (params.nope_bytes + params.rope_bytes) / static_cast<int>(sizeof(Vector));
  const RowBlocks blocks = row_blocks(params.tokens, vectors);
  pdl::launch(kSetMlaKvBufferDeclaration, set_mla_kv_buffer_kernel<Vector>,
              {.grid = dim3(blocks.blocks), .block = blocks.block}, options, params);
}

}  // namespace

SetMlaKvBufferParams check_set_mla_kv_buffer(const Arguments& arguments, const Tensor& kv_buffer,
                                             const Tensor& loc, const Tensor& cache_k_nope,
                                             const Tensor& cache_k_rope,
                                             const SlotOptions& slot_options) {
  const int64_t element = size_of(kv_buffer.dtype);
  if (element > 2) arguments.reject("kv_buffer", "of a 1- or 2-byte dtype", kv_buffer.describe());
  arguments.dtype("cache_k_nope", cache_k_nope, {kv_buffer.dtype});
  const SlotWrite write =
      slot_write(arguments, kv_buffer, loc, cache_k_nope, cache_k_rope, slot_options);
  require_columns(arguments, write);
  return {{{static_cast<uint8_t*>(write.kv_buffer.data)}, write.kv_buffer.stride * element},
          as_bytes(write.cache_k_nope, element),
          as_bytes(write.cache_k_rope, element),
          write.slots,
          write.tokens,
          static_cast<int>(write.cache_k_nope.columns * element),
          static_cast<int>(write.cache_k_rope.columns * element)};
}

void set_mla_kv_buffer(const Tensor& kv_buffer, const Tensor& loc, const Tensor& cache_k_nope,
                       const Tensor& cache_k_rope, const SlotOptions& slot_options,
                       const LaunchOptions& options) {
  const SetMlaKvBufferParams params = check_set_mla_kv_buffer(
      Arguments("set_mla_kv_buffer"), kv_buffer, loc, cache_k_nope, cache_k_rope, slot_options);
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

}  // namespace slipstream::ops
