#include "ops/set_mla_kv_buffer_fp8/operator.h"

#include "ops/kernels.h"
#include "ops/support/views.h"

namespace slipstream::ops {
namespace {

bool inputs_are_aligned(const Tensor& cache_k_nope, const Tensor& cache_k_rope) {
  return is_aligned(cache_k_nope, kPackedFloatBytes) && is_aligned(cache_k_rope, kPackedFloatBytes);
}

}  // namespace

SetMlaKvBufferFp8Params check_set_mla_kv_buffer_fp8(const Arguments& arguments,
                                                    const Tensor& kv_buffer, const Tensor& loc,
                                                    const Tensor& cache_k_nope,
                                                    const Tensor& cache_k_rope,
                                                    const SlotOptions& slot_options) {
  arguments.dtype("kv_buffer", kv_buffer, {DType::kFloat8E4M3, DType::kFloat8E5M2});
  arguments.dtype("cache_k_nope", cache_k_nope, {DType::kBFloat16, DType::kFloat16});
  const SlotWrite write =
      slot_write(arguments, kv_buffer, loc, cache_k_nope, cache_k_rope, slot_options);
  require_columns(arguments, write);
  return {write.kv_buffer.as<uint8_t>(),
          write.cache_k_nope.as<const uint16_t>(),
          write.cache_k_rope.as<const uint16_t>(),
          write.slots,
          write.tokens,
          static_cast<int>(write.cache_k_nope.columns),
          static_cast<int>(write.cache_k_rope.columns),
          cache_k_nope.dtype,
          kv_buffer.dtype};
}

SetMlaKvBufferFp8Row656Params check_set_mla_kv_buffer_fp8_656(
    const Arguments& arguments, const Tensor& kv_buffer, const Tensor& loc,
    const Tensor& cache_k_nope, const Tensor& cache_k_rope, ScaleFormat scale_format,
    const SlotOptions& slot_options) {
  arguments.dtype("kv_buffer", kv_buffer, {DType::kUInt8});
  arguments.dtype("cache_k_nope", cache_k_nope, {DType::kBFloat16, DType::kFloat16});
  const SlotWrite write =
      slot_write(arguments, kv_buffer, loc, cache_k_nope, cache_k_rope, slot_options);
  arguments.size("kv_buffer", kv_buffer, kv_buffer.rank - 1, {Fp8Row656::kBytes, ""});
  arguments.size("cache_k_nope", cache_k_nope, cache_k_nope.rank - 1, {Fp8Row656::kNope, ""});
  arguments.rank("cache_k_rope", cache_k_rope, {2, 3});
  arguments.size("cache_k_rope", cache_k_rope, cache_k_rope.rank - 1, {Fp8Row656::kRope, ""});
  return {write.kv_buffer.as<uint8_t>(),
          write.cache_k_nope.as<const uint16_t>(),
          write.cache_k_rope.as<const uint16_t>(),
          write.slots,
          write.tokens,
          cache_k_nope.dtype,
          scale_format == ScaleFormat::kPowerOfTwo};
}

void set_mla_kv_buffer_fp8(const Tensor& kv_buffer, const Tensor& loc, const Tensor& cache_k_nope,
                           const Tensor& cache_k_rope, const SlotOptions& slot_options,
                           const LaunchOptions& options) {
  const SetMlaKvBufferFp8Params params = check_set_mla_kv_buffer_fp8(
      Arguments("set_mla_kv_buffer_fp8"), kv_buffer, loc, cache_k_nope, cache_k_rope, slot_options);
  current().set_mla_kv_buffer_fp8(
      params,
      inputs_are_aligned(cache_k_nope, cache_k_rope) && is_aligned(kv_buffer, kPackedCodeBytes),
      options);
}

void set_mla_kv_buffer_fp8_656(const Tensor& kv_buffer, const Tensor& loc,
                               const Tensor& cache_k_nope, const Tensor& cache_k_rope,
                               ScaleFormat scale_format, const SlotOptions& slot_options,
                               const LaunchOptions& options) {
  const SetMlaKvBufferFp8Row656Params params =
      check_set_mla_kv_buffer_fp8_656(Arguments("set_mla_kv_buffer_fp8_656"), kv_buffer, loc,
                                      cache_k_nope, cache_k_rope, scale_format, slot_options);
  current().set_mla_kv_buffer_fp8_656(
      params,
      inputs_are_aligned(cache_k_nope, cache_k_rope) && is_aligned(kv_buffer, kPackedFloatBytes),
      options);
}

}  // namespace slipstream::ops
