// The operators of slipstream/ops.h for Python. Defaults, names that users know and outputs to be
// allocated are the business of python/slipstream/operators.py; here every argument is given.
#include <fmt/format.h>
#include <tvm/ffi/tvm_ffi.h>

#include "python/call.h"
#include "python/export.h"
#include "python/tensor.h"
#include "slipstream/ops.h"

namespace slipstream::python {
namespace {

using tvm::ffi::TensorView;

ops::RopeLayout layout_of(bool is_neox) {
  return is_neox ? ops::RopeLayout::kHalfSplit : ops::RopeLayout::kInterleaved;
}

int to_int(const char* function, const char* argument, int64_t value) {
  const int narrow = static_cast<int>(value);
  if (narrow != value) reject(function, argument, "of 32 bits", std::to_string(value));
  return narrow;
}

// --- Matrix products

void dsv3_router_gemm(const TensorView& hidden_states, const TensorView& router_weights,
                      const TensorView& output, const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("dsv3_router_gemm");
    const Tensor hidden = call.tensor("hidden_states", hidden_states);
    const Tensor weights = call.tensor("router_weights", router_weights);
    const Tensor out = call.tensor("output", output);
    ops::dsv3_router_gemm(hidden, weights, out, call.options(pdl));
  });
}

void dsv3_fused_a_gemm(const TensorView& mat_a, const TensorView& mat_b, const TensorView& output,
                       const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("dsv3_fused_a_gemm");
    const Tensor a = call.tensor("mat_a", mat_a);
    const Tensor b = call.tensor("mat_b", mat_b);
    const Tensor out = call.tensor("output", output);
    ops::dsv3_fused_a_gemm(a, b, out, call.options(pdl));
  });
}

// --- KV cache writes

// What the three have in common.
struct CacheWrite {
  CacheWrite(OperatorCall& call, const TensorView& kv_buffer, const TensorView& loc,
             const TensorView& cache_k_nope, const OptionalTensor& cache_k_rope,
             int64_t reserved_skip_index, const OptionalTensor& dropped)
      : kv_buffer(call.tensor("kv_buffer", kv_buffer)),
        loc(call.tensor("loc", loc)),
        nope(call.tensor("cache_k_nope", cache_k_nope)),
        rope(call.tensor("cache_k_rope", cache_k_rope)) {
    slots.reserved_slot.reset();
    if (reserved_skip_index >= 0) slots.reserved_slot = reserved_skip_index;
    slots.dropped = call.tensor("dropped", dropped);
  }

  Tensor kv_buffer, loc, nope, rope;
  ops::SlotOptions slots;
};

void set_mla_kv_buffer(const TensorView& kv_buffer, const TensorView& loc,
                       const TensorView& cache_k_nope, const OptionalTensor& cache_k_rope,
                       int64_t reserved_skip_index, const OptionalTensor& dropped,
                       const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("set_mla_kv_buffer");
    const CacheWrite write(call, kv_buffer, loc, cache_k_nope, cache_k_rope, reserved_skip_index,
                           dropped);
    ops::set_mla_kv_buffer(write.kv_buffer, write.loc, write.nope, write.rope, write.slots,
                           call.options(pdl));
  });
}

void set_mla_kv_buffer_fp8(const TensorView& kv_buffer, const TensorView& loc,
                           const TensorView& cache_k_nope, const OptionalTensor& cache_k_rope,
                           int64_t reserved_skip_index, const OptionalTensor& dropped,
                           const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("set_mla_kv_buffer_fp8");
    const CacheWrite write(call, kv_buffer, loc, cache_k_nope, cache_k_rope, reserved_skip_index,
                           dropped);
    ops::set_mla_kv_buffer_fp8(write.kv_buffer, write.loc, write.nope, write.rope, write.slots,
                               call.options(pdl));
  });
}

void set_mla_kv_buffer_fp8_656(const TensorView& kv_buffer, const TensorView& loc,
                               const TensorView& cache_k_nope, const TensorView& cache_k_rope,
                               bool power_of_two_scales, int64_t reserved_skip_index,
                               const OptionalTensor& dropped, const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("set_mla_kv_buffer_fp8_656");
    const CacheWrite write(call, kv_buffer, loc, cache_k_nope, cache_k_rope, reserved_skip_index,
                           dropped);
    const ops::ScaleFormat scales =
        power_of_two_scales ? ops::ScaleFormat::kPowerOfTwo : ops::ScaleFormat::kFloat32;
    ops::set_mla_kv_buffer_fp8_656(write.kv_buffer, write.loc, write.nope, write.rope, scales,
                                   write.slots, call.options(pdl));
  });
}

// --- Rotary embedding

void mla_rope_quantize_fp8(const TensorView& q_rope, const TensorView& k_rope,
                           const OptionalTensor& q_nope, const OptionalTensor& k_nope,
                           const TensorView& cos_sin_cache, const TensorView& pos_ids, bool is_neox,
                           double quant_scale_q, double quant_scale_kv,
                           const TensorView& q_rope_out, const TensorView& k_rope_out,
                           const OptionalTensor& q_nope_out, const OptionalTensor& k_nope_out,
                           const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("mla_rope_quantize_fp8");
    ops::MlaRopeQuantizeArguments arguments;
    arguments.q_rope = call.tensor("q_rope", q_rope);
    arguments.k_rope = call.tensor("k_rope", k_rope);
    arguments.q_nope = call.tensor("q_nope", q_nope);
    arguments.k_nope = call.tensor("k_nope", k_nope);
    arguments.cos_sin_cache = call.tensor("cos_sin_cache", cos_sin_cache);
    arguments.pos_ids = call.tensor("pos_ids", pos_ids);
    arguments.q_rope_out = call.tensor("q_rope_out", q_rope_out);
    arguments.k_rope_out = call.tensor("k_rope_out", k_rope_out);
    arguments.q_nope_out = call.tensor("q_nope_out", q_nope_out);
    arguments.k_nope_out = call.tensor("k_nope_out", k_nope_out);
    arguments.layout = layout_of(is_neox);
    arguments.quant_scale_q = static_cast<float>(quant_scale_q);
    arguments.quant_scale_kv = static_cast<float>(quant_scale_kv);
    ops::mla_rope_quantize_fp8(arguments, call.options(pdl));
  });
}

// The keys and values to save, all four tensors or none.
std::optional<ops::FusedSetKvBuffer> fused_set_kv_buffer(OperatorCall& call,
                                                         const OptionalTensor& value,
                                                         const OptionalTensor& k_buffer,
                                                         const OptionalTensor& v_buffer,
                                                         const OptionalTensor& cache_loc,
                                                         const OptionalTensor& dropped) {
  if (!value.has_value()) return std::nullopt;
  return ops::FusedSetKvBuffer{
      .value = call.tensor("value", value),
      .k_buffer = call.tensor("k_buffer", k_buffer),
      .v_buffer = call.tensor("v_buffer", v_buffer),
      .cache_loc = call.tensor("cache_loc", cache_loc),
      .dropped = call.tensor("dropped", dropped),
  };
}

void apply_rope_with_cos_sin_cache_inplace(
    const TensorView& positions, const TensorView& query, const TensorView& key, int64_t head_size,
    const TensorView& cos_sin_cache, bool is_neox, const OptionalTensor& value,
    const OptionalTensor& k_buffer, const OptionalTensor& v_buffer, const OptionalTensor& cache_loc,
    const OptionalTensor& dropped, const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("apply_rope_with_cos_sin_cache_inplace");
    const Tensor pos = call.tensor("positions", positions);
    const Tensor q = call.tensor("query", query);
    const Tensor k = call.tensor("key", key);
    const Tensor table = call.tensor("cos_sin_cache", cos_sin_cache);
    const auto save = fused_set_kv_buffer(call, value, k_buffer, v_buffer, cache_loc, dropped);
    ops::apply_rope_with_cos_sin_cache_inplace(pos, q, k, head_size, table, layout_of(is_neox),
                                               save, call.options(pdl));
  });
}

// --- Quantization

using OptionalDouble = tvm::ffi::Optional<double>;

// Codes fill the range of their dtype. Callers of sgl-kernel say it themselves.
void require_code_range(const char* function, DType dtype, const OptionalDouble& low,
                        const OptionalDouble& high) {
  const double max = dtype == DType::kInt8 ? 127 : 448;
  const auto require = [&](const char* argument, double value, double must_be) {
    if (value == must_be) return;
    reject(function, argument, fmt::format("{} for output_q of {}", must_be, to_string(dtype)),
           fmt::format("{}", value));
  };
  if (high.has_value()) require("fp8_max", high.value(), max);
  // No code is -128, but it is int8's least value.
  const bool is_least_int8 = low.has_value() && dtype == DType::kInt8 && low.value() == -128;
  if (low.has_value() && !is_least_int8) require("fp8_min", low.value(), -max);
}

void per_token_group_quant_8bit(const TensorView& input, const TensorView& output_q,
                                const TensorView& output_s, int64_t group_size, double eps,
                                const OptionalDouble& code_min, const OptionalDouble& code_max,
                                bool scale_ue8m0, bool fuse_silu_and_mul,
                                const OptionalTensor& masked_m, const OptionalBool& pdl) {
  with_python_errors([&] {
    const char* name = "per_token_group_quant_8bit";
    OperatorCall call(name);
    const Tensor in = call.tensor("input", input);
    const Tensor q = call.tensor("output_q", output_q);
    const Tensor s = call.tensor("output_s", output_s);
    require_code_range(name, q.dtype, code_min, code_max);
    ops::PerTokenGroupQuantOptions options;
    options.group_size = to_int(name, "group_size", group_size);
    options.eps = static_cast<float>(eps);
    options.scale_ue8m0 = scale_ue8m0;
    options.fuse_silu_and_mul = fuse_silu_and_mul;
    options.masked_m = call.tensor("masked_m", masked_m);
    ops::per_token_group_quant_8bit(in, q, s, options, call.options(pdl));
  });
}

// --- Indexer

void apply_q_scale_and_softmax_scale(const TensorView& weights, const TensorView& q_scale,
                                     double softmax_scale, const TensorView& output,
                                     const OptionalBool& pdl) {
  with_python_errors([&] {
    OperatorCall call("apply_q_scale_and_softmax_scale");
    const Tensor gates = call.tensor("weights", weights);
    const Tensor scales = call.tensor("q_scale", q_scale);
    const Tensor out = call.tensor("output", output);
    ops::apply_q_scale_and_softmax_scale(gates, scales, out, static_cast<float>(softmax_scale),
                                         call.options(pdl));
  });
}

// --- The launch layer's switches

bool supports_pdl(int64_t device) {
  return with_python_errors(
      [&] { return pdl::supports_pdl(to_int("supports_pdl", "device", device)); });
}

bool supports_pdl_here() {
  return with_python_errors([] { return pdl::supports_pdl(); });
}

void set_pdl_enabled(const OptionalBool& enabled) {
  with_python_errors([&] {
    pdl::set_enabled(enabled.has_value() ? std::optional(enabled.value()) : std::nullopt);
  });
}

}  // namespace

SLIPSTREAM_EXPORT(dsv3_router_gemm, dsv3_router_gemm)
SLIPSTREAM_EXPORT(dsv3_fused_a_gemm, dsv3_fused_a_gemm)
SLIPSTREAM_EXPORT(set_mla_kv_buffer, set_mla_kv_buffer)
SLIPSTREAM_EXPORT(set_mla_kv_buffer_fp8, set_mla_kv_buffer_fp8)
SLIPSTREAM_EXPORT(set_mla_kv_buffer_fp8_656, set_mla_kv_buffer_fp8_656)
SLIPSTREAM_EXPORT(mla_rope_quantize_fp8, mla_rope_quantize_fp8)
SLIPSTREAM_EXPORT(apply_rope_with_cos_sin_cache_inplace, apply_rope_with_cos_sin_cache_inplace)
SLIPSTREAM_EXPORT(per_token_group_quant_8bit, per_token_group_quant_8bit)
SLIPSTREAM_EXPORT(apply_q_scale_and_softmax_scale, apply_q_scale_and_softmax_scale)
SLIPSTREAM_EXPORT(supports_pdl, supports_pdl)
SLIPSTREAM_EXPORT(supports_pdl_here, supports_pdl_here)
SLIPSTREAM_EXPORT(set_pdl_enabled, set_pdl_enabled)

}  // namespace slipstream::python
