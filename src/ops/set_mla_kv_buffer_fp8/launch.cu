#include "ops/set_mla_kv_buffer_fp8/kernel.cuh"
#include "ops/set_mla_kv_buffer_fp8/launch.h"
#include "ops/support/views.h"

namespace slipstream::ops {

const pdl::KernelDeclaration kSetMlaKvBufferFp8Declaration{
    .name = "set_mla_kv_buffer_fp8",
    .symbol = "slipstream::ops::set_mla_kv_buffer_fp8_kernel",
    .waits = true,
    .fields = kSetMlaKvBufferFp8Fields<SetMlaKvBufferFp8Params>,
};
const pdl::KernelDeclaration kSetMlaKvBufferFp8Row656Declaration{
    .name = "set_mla_kv_buffer_fp8_656",
    .symbol = "slipstream::ops::set_mla_kv_buffer_fp8_656_kernel",
    .waits = true,
    .fields = kSetMlaKvBufferFp8Fields<SetMlaKvBufferFp8Row656Params>,
};

namespace {

// Both inputs are rows of 16-bit floats; their kernels read eight at a time where these are 16-byte
// aligned.
constexpr int64_t kReadBytes = 16;
constexpr int64_t kWriteBytes = 8;

bool inputs_are_wide(const Tensor& cache_k_nope, const Tensor& cache_k_rope) {
  return is_aligned(cache_k_nope, kReadBytes) && is_aligned(cache_k_rope, kReadBytes);
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
  const bool wide = params.nope % cuda::kPack == 0 && params.rope % cuda::kPack == 0 &&
                    inputs_are_wide(cache_k_nope, cache_k_rope) &&
                    is_aligned(kv_buffer, kWriteBytes);
  const auto pieces = [](int elements) { return (elements + cuda::kPack - 1) / cuda::kPack; };
  const RowBlocks blocks = row_blocks(params.tokens, pieces(params.nope) + pieces(params.rope));
  pdl::launch(kSetMlaKvBufferFp8Declaration,
              wide ? set_mla_kv_buffer_fp8_kernel<true> : set_mla_kv_buffer_fp8_kernel<false>,
              {.grid = dim3(blocks.blocks), .block = blocks.block}, options, params);
}

void set_mla_kv_buffer_fp8_656(const Tensor& kv_buffer, const Tensor& loc,
                               const Tensor& cache_k_nope, const Tensor& cache_k_rope,
                               ScaleFormat scale_format, const SlotOptions& slot_options,
                               const LaunchOptions& options) {
  const SetMlaKvBufferFp8Row656Params params =
      check_set_mla_kv_buffer_fp8_656(Arguments("set_mla_kv_buffer_fp8_656"), kv_buffer, loc,
                                      cache_k_nope, cache_k_rope, scale_format, slot_options);
  const bool wide =
      inputs_are_wide(cache_k_nope, cache_k_rope) && is_aligned(kv_buffer, kReadBytes);
  const RowBlocks blocks = row_blocks(params.tokens, kRow656Threads);
  pdl::launch(
      kSetMlaKvBufferFp8Row656Declaration,
      wide ? set_mla_kv_buffer_fp8_656_kernel<true> : set_mla_kv_buffer_fp8_656_kernel<false>,
      {.grid = dim3(blocks.blocks), .block = blocks.block}, options, params);
}

}  // namespace slipstream::ops
