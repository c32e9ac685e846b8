#include "ops/set_mla_kv_buffer/operator.h"

#include "ops/kernels.h"
#include "ops/support/views.h"

namespace slipstream::ops {
namespace {

Rows<const uint8_t> as_bytes(const RowTensor& rows, int64_t element_bytes) {
  return {{static_cast<const uint8_t*>(rows.data)}, rows.stride * element_bytes};
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
  current().set_mla_kv_buffer(params, options);
}

}  // namespace slipstream::ops
