// The operators' references in plain C++ for the tests in Python: the names and arguments of
// src/python/operators.cc, tensors in host memory.
#include <tvm/ffi/tvm_ffi.h>

#include <optional>

#include "ops/apply_rope/operator.h"
#include "ops/apply_rope/reference.h"
#include "ops/mla_rope_quantize_fp8/operator.h"
#include "ops/mla_rope_quantize_fp8/reference.h"
#include "ops/per_token_group_quant/operator.h"
#include "ops/per_token_group_quant/reference.h"
#include "ops/q_scale/operator.h"
#include "ops/q_scale/reference.h"
#include "ops/set_mla_kv_buffer/operator.h"
#include "ops/set_mla_kv_buffer/reference.h"
#include "ops/set_mla_kv_buffer_fp8/operator.h"
#include "ops/set_mla_kv_buffer_fp8/reference.h"
#include "ops/skinny_gemm/operators.h"
#include "ops/skinny_gemm/reference.h"
#include "python/export.h"
#include "python/tensor.h"

namespace slipstream::ops {
namespace {

using tvm::ffi::TensorView;
using OptionalTensor = tvm::ffi::Optional<TensorView>;

const Arguments kOnHost("reference", MemoryPlace::kHost);

Tensor host(const TensorView& view) { return python::to_tensor("reference", "tensor", view); }
Tensor host(const OptionalTensor& view) { return view.has_value() ? host(view.value()) : Tensor(); }

RopeLayout layout_of(bool is_neox) {
  return is_neox ? RopeLayout::kHalfSplit : RopeLayout::kInterleaved;
}

SlotOptions slots(int64_t reserved, const OptionalTensor& dropped) {
  SlotOptions options;
  options.reserved_slot = reserved < 0 ? std::nullopt : std::optional(reserved);
  options.dropped = host(dropped);
  return options;
}

void router(const TensorView& hidden_states, const TensorView& router_weights,
            const TensorView& output) {
  skinny_gemm_reference(
      check_dsv3_router_gemm(kOnHost, host(hidden_states), host(router_weights), host(output)));
}

void fused_a(const TensorView& mat_a, const TensorView& mat_b, const TensorView& output) {
  skinny_gemm_reference(check_dsv3_fused_a_gemm(kOnHost, host(mat_a), host(mat_b), host(output)));
}

void set_rows(const TensorView& kv_buffer, const TensorView& loc, const TensorView& nope,
              const OptionalTensor& rope, int64_t reserved, const OptionalTensor& dropped) {
  set_mla_kv_buffer_reference(check_set_mla_kv_buffer(
      kOnHost, host(kv_buffer), host(loc), host(nope), host(rope), slots(reserved, dropped)));
}

void set_rows_fp8(const TensorView& kv_buffer, const TensorView& loc, const TensorView& nope,
                  const OptionalTensor& rope, int64_t reserved, const OptionalTensor& dropped) {
  set_mla_kv_buffer_fp8_reference(check_set_mla_kv_buffer_fp8(
      kOnHost, host(kv_buffer), host(loc), host(nope), host(rope), slots(reserved, dropped)));
}

void set_rows_fp8_656(const TensorView& kv_buffer, const TensorView& loc, const TensorView& nope,
                      const TensorView& rope, bool power_of_two_scales, int64_t reserved,
                      const OptionalTensor& dropped) {
  set_mla_kv_buffer_fp8_656_reference(check_set_mla_kv_buffer_fp8_656(
      kOnHost, host(kv_buffer), host(loc), host(nope), host(rope),
      power_of_two_scales ? ScaleFormat::kPowerOfTwo : ScaleFormat::kFloat32,
      slots(reserved, dropped)));
}

void rope_quantize(const TensorView& q_rope, const TensorView& k_rope, const OptionalTensor& q_nope,
                   const OptionalTensor& k_nope, const TensorView& cos_sin_cache,
                   const TensorView& pos_ids, bool is_neox, double scale_q, double scale_kv,
                   const TensorView& q_rope_out, const TensorView& k_rope_out,
                   const OptionalTensor& q_nope_out, const OptionalTensor& k_nope_out) {
  MlaRopeQuantizeArguments arguments{host(q_rope),     host(k_rope),        host(q_nope),
                                     host(k_nope),     host(cos_sin_cache), host(pos_ids),
                                     host(q_rope_out), host(k_rope_out),    host(q_nope_out),
                                     host(k_nope_out), layout_of(is_neox)};
  arguments.quant_scale_q = static_cast<float>(scale_q);
  arguments.quant_scale_kv = static_cast<float>(scale_kv);
  mla_rope_quantize_fp8_reference(check_mla_rope_quantize_fp8(kOnHost, arguments));
}

void rope_in_place(const TensorView& positions, const TensorView& query, const TensorView& key,
                   int64_t head_size, const TensorView& cos_sin_cache, bool is_neox,
                   const OptionalTensor& value, const OptionalTensor& k_buffer,
                   const OptionalTensor& v_buffer, const OptionalTensor& cache_loc) {
  std::optional<FusedSetKvBuffer> save;
  if (value.has_value()) {
    save = FusedSetKvBuffer{host(value), host(k_buffer), host(v_buffer), host(cache_loc)};
  }
  apply_rope_reference(check_apply_rope(kOnHost, host(positions), host(query), host(key), head_size,
                                        host(cos_sin_cache), layout_of(is_neox), save));
}

void group_quant(const TensorView& input, const TensorView& output_q, const TensorView& output_s,
                 int64_t group_size, double eps, bool scale_ue8m0, bool fuse_silu_and_mul,
                 const OptionalTensor& masked_m) {
  const PerTokenGroupQuantOptions options{static_cast<int>(group_size), static_cast<float>(eps),
                                          scale_ue8m0, fuse_silu_and_mul, host(masked_m)};
  per_token_group_quant_reference(
      check_per_token_group_quant(kOnHost, host(input), host(output_q), host(output_s), options));
}

void gate(const TensorView& weights, const TensorView& q_scale, double softmax_scale,
          const TensorView& output) {
  q_scale_reference(check_q_scale(kOnHost, host(weights), host(q_scale), host(output),
                                  static_cast<float>(softmax_scale)));
}

// What a call of tvm-ffi costs by itself: the measure of tools/operator_host_cost.py.
void empty_call(const TensorView& /*a*/, const TensorView& /*b*/, double /*c*/,
                const TensorView& /*d*/, const tvm::ffi::Optional<bool>& /*e*/) {}

}  // namespace

SLIPSTREAM_EXPORT(empty_call, empty_call)
SLIPSTREAM_EXPORT(dsv3_router_gemm, router)
SLIPSTREAM_EXPORT(dsv3_fused_a_gemm, fused_a)
SLIPSTREAM_EXPORT(set_mla_kv_buffer, set_rows)
SLIPSTREAM_EXPORT(set_mla_kv_buffer_fp8, set_rows_fp8)
SLIPSTREAM_EXPORT(set_mla_kv_buffer_fp8_656, set_rows_fp8_656)
SLIPSTREAM_EXPORT(mla_rope_quantize_fp8, rope_quantize)
SLIPSTREAM_EXPORT(apply_rope_with_cos_sin_cache_inplace, rope_in_place)
SLIPSTREAM_EXPORT(per_token_group_quant_8bit, group_quant)
SLIPSTREAM_EXPORT(apply_q_scale_and_softmax_scale, gate)

}  // namespace slipstream::ops
