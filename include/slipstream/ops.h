// The operators of a decode step, under the names that users of sgl-kernel and FlashInfer know.
//
// Every operator is one kernel launch on `options.stream`, chained to its neighbors by
// programmatic dependent launch: indices, positions and activations are read after the wait,
// weights and tables may be read before it. Outputs are passed in; no operator allocates or
// synchronizes. Tensors live in device memory. Shapes are in elements, [tokens, ...] first.
//
// Errors: an argument that is not as described throws InvalidArgument (naming the argument, what it
// must be and what it is) before anything is launched; a failed launch throws CudaError. Zero
// tokens launch nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "slipstream/launch.h"
#include "slipstream/tensor.h"

namespace slipstream::ops {

using pdl::LaunchOptions;

// --- Matrix products for 1 to 16 tokens ---------------------------------------------------------

// output[m, e] = sum over k of hidden_states[m, k] * router_weights[e, k], accumulated in fp32,
// rounded once.
//   hidden_states  bfloat16 [M, K], M from 0 to 16, rows 16-byte aligned, last axis contiguous
//   router_weights bfloat16 [E, K], constant; K a multiple of 128, E a multiple of 8 up to 1024
//   output         bfloat16 or float32 [M, E], last axis contiguous
// As sgl-kernel's dsv3_router_gemm, for any K and E as above (7168 and 6144, 256 and 384 are the
// fast ones).
void dsv3_router_gemm(const Tensor& hidden_states, const Tensor& router_weights,
                      const Tensor& output, const LaunchOptions& options);

// output[m, n] = sum over k of mat_a[m, k] * mat_b[k, n], accumulated in fp32, rounded once.
//   mat_a   bfloat16 [M, K], M from 0 to 16, rows 16-byte aligned, last axis contiguous; K a
//           multiple of 128
//   mat_b   bfloat16 [K, N], constant, column-major (strides [1, row]): the transposed view of a
//           weight [N, K]
//   output  bfloat16 [M, N], last axis contiguous; N a multiple of 16
// As sgl-kernel's dsv3_fused_a_gemm, for any K and N as above. The weights stream before the wait.
void dsv3_fused_a_gemm(const Tensor& mat_a, const Tensor& mat_b, const Tensor& output,
                       const LaunchOptions& options);

// --- KV cache writes ----------------------------------------------------------------------------

// Slots outside [0, slots) are never written. Where `dropped` is given each one adds 1 to it.
struct SlotOptions {
  // Writes to this slot are dropped, uncounted; nullopt: no slot is reserved.
  std::optional<int64_t> reserved_slot = 0;
  // Optional int32 [1], counts slots outside the cache.
  Tensor dropped = {};
};

// kv_buffer[loc[i]] = cache_k_nope[i] ++ cache_k_rope[i], bit for bit.
//   kv_buffer     [slots, D] or [slots, 1, D], any row stride, D at least nope + rope; only the
//                 first nope + rope elements of a row are written
//   loc           int32 or int64 [n], any stride. Two equal slots that are written leave a mixture
//                 of both rows.
//   cache_k_nope  [n, nope] or [n, 1, nope], any row stride, dtype of kv_buffer
//   cache_k_rope  [n, rope] or [n, 1, rope], likewise; may be absent
// Any 1- or 2-byte dtype: bfloat16 512 + 64, or uint8 528 + 128 for the 656-byte row of DeepSeek
// sparse attention. Rows are copied 16 bytes at a time where addresses and strides allow it.
void set_mla_kv_buffer(const Tensor& kv_buffer, const Tensor& loc, const Tensor& cache_k_nope,
                       const Tensor& cache_k_rope, const SlotOptions& slot_options,
                       const LaunchOptions& options);

// The same with a cast of bfloat16 or float16 inputs to the cache's float8_e4m3fn or float8_e5m2,
// scale 1: round to nearest even, NaN stays NaN, infinities become the largest finite value.
void set_mla_kv_buffer_fp8(const Tensor& kv_buffer, const Tensor& loc, const Tensor& cache_k_nope,
                           const Tensor& cache_k_rope, const SlotOptions& slot_options,
                           const LaunchOptions& options);

// How the four scales of a 656-byte row are rounded.
enum class ScaleFormat : uint8_t {
  kFloat32,     // amax / 448
  kPowerOfTwo,  // 2^ceil(log2(amax / 448))
};

// Writes 656-byte rows: 512 x float8_e4m3fn, 4 x float32 scale (one per 128), 64 x bfloat16 rope,
// not quantized.
//   kv_buffer     uint8 [slots, 656] or [slots, 1, 656], any row stride
//   cache_k_nope  bfloat16 or float16 [n, 512] or [n, 1, 512], any row stride
//   cache_k_rope  of the same dtype, [n, 64] or [n, 1, 64]; float16 is converted to bfloat16
// Scales and codes as per_token_group_quant_8bit makes them with eps 1e-10: a group of zeros has
// codes 0 (the incumbent's 0 * inf gives NaN), a group with an infinity has a finite scale.
void set_mla_kv_buffer_fp8_656(const Tensor& kv_buffer, const Tensor& loc,
                               const Tensor& cache_k_nope, const Tensor& cache_k_rope,
                               ScaleFormat scale_format, const SlotOptions& slot_options,
                               const LaunchOptions& options);

// --- Rotary embedding ---------------------------------------------------------------------------

// Which elements form a pair that is rotated together: a' = a cos - b sin, b' = b cos + a sin.
enum class RopeLayout : uint8_t {
  kInterleaved,  // (2i, 2i + 1): DeepSeek and GLM attention
  kHalfSplit,    // (i, i + rope_dim / 2): "NeoX"; DeepSeek-V3.2's indexer
};

// Rotates the rope parts, scales and casts all parts to fp8 with saturation. As FlashInfer's
// mla_rope_quantize_fp8.
//   q_rope         [n, heads, rope], bfloat16 or float16; last axis contiguous, other strides free
//   k_rope         [n, rope] or [n, 1, rope], likewise
//   q_nope         [n, heads, nope], likewise; may be absent together with k_nope
//   k_nope         [n, nope] or [n, 1, nope], likewise
//   cos_sin_cache  float32 [max_position, rope], constant: rope/2 cosines, then rope/2 sines
//   pos_ids        int32 or int64 [n]; a position outside the table gives NaN in its rope outputs
//   *_out          float8_e4m3fn or float8_e5m2, all the same, shapes as the inputs; last axis
//                  contiguous, other strides free: slices of one array will do
// fp32 arithmetic, every operation rounded; every q output is multiplied by quant_scale_q, every k
// output by quant_scale_kv, before the cast.
struct MlaRopeQuantizeArguments {
  Tensor q_rope, k_rope, q_nope, k_nope;
  Tensor cos_sin_cache, pos_ids;
  Tensor q_rope_out, k_rope_out, q_nope_out, k_nope_out;
  RopeLayout layout = RopeLayout::kInterleaved;
  float quant_scale_q = 1.0F;
  float quant_scale_kv = 1.0F;
};
void mla_rope_quantize_fp8(const MlaRopeQuantizeArguments& arguments, const LaunchOptions& options);

// Saves the rotated keys and the values of each token along with the rotation: k_buffer[cache_loc[i]] =
// key[i], v_buffer[cache_loc[i]] = value[i]. Slots outside the buffers are dropped and counted.
struct FusedSetKvBuffer {
  Tensor value;         // [n, kv_heads * head_size] or [n, kv_heads, head_size], dtype of key
  Tensor k_buffer;      // [slots, kv_heads * head_size] or [slots, kv_heads, head_size], likewise
  Tensor v_buffer;      // the same
  Tensor cache_loc;     // int32 or int64 [n]
  Tensor dropped = {};  // optional int32 [1]
};

// Rotates query and key in place, fp32 arithmetic, every operation rounded, then one rounding to
// the dtype; dimensions beyond the table's width pass through.
//   positions      int32 or int64 [n]; a position outside the table gives NaN
//   query          [n, q_heads * head_size] or [n, q_heads, head_size], bfloat16 or float16; last
//                  axis contiguous, other strides free
//   key            [n, kv_heads * head_size] or [n, kv_heads, head_size], likewise
//   cos_sin_cache  float32 [max_position, rope_dim], rope_dim even and at most head_size
// As the pos_enc kernel of sgl-kernel and FlashInfer.
void apply_rope_with_cos_sin_cache_inplace(
    const Tensor& positions, const Tensor& query, const Tensor& key, int64_t head_size,
    const Tensor& cos_sin_cache, RopeLayout layout,
    const std::optional<FusedSetKvBuffer>& fused_set_kv_buffer, const LaunchOptions& options);

// --- Quantization -------------------------------------------------------------------------------

// Quantizes groups of consecutive elements of the last axis, one scale each. As
// sgl_per_token_group_quant_8bit (v2, v3).
//   input     bfloat16, float16 or float32 [M, K]; with fuse_silu_and_mul [M, 2K] (gate, then up);
//             with masked_m [experts, tokens, K] or [experts, tokens, 2K]; rows at any stride,
//             16-byte aligned
//   output_q  float8_e4m3fn or int8, contiguous, [M, K] or [experts, tokens, K]
//   output_s  scales at any strides (row-major, column-major, TMA-aligned): float32 [M, K/group] or
//             [experts, tokens, K/group]; with scale_ue8m0 int32 with last axis ceil(K/group / 4),
//             four biased exponents to a word, the first in the lowest byte, the last word filled
//             up with zeros
//   masked_m  optional int32 or int64 [experts]: tokens of each expert; rows beyond are not touched
//
// scale = max(amax, eps) / max_8bit (448 or 127), with scale_ue8m0 rounded up to a power of two;
// code = round(x / scale), to nearest even, with the scale that is stored. Both divisions are exact
// (IEEE fp32). NaN is left out of amax; its code is NaN (fp8) or 0 (int8). Infinities saturate, and
// amax is at most the largest finite fp32, so that a scale is finite. silu(gate) is computed in
// fp32 and rounded to the input's dtype, then multiplied by up and rounded again, then quantized.
struct PerTokenGroupQuantOptions {
  int group_size = 128;  // 16, 32, 64 or 128
  float eps = 1e-10F;    // 1e-30 to 1e30
  bool scale_ue8m0 = false;
  bool fuse_silu_and_mul = false;
  Tensor masked_m = {};
};
void per_token_group_quant_8bit(const Tensor& input, const Tensor& output_q, const Tensor& output_s,
                                const PerTokenGroupQuantOptions& quant_options,
                                const LaunchOptions& options);

// --- Indexer ------------------------------------------------------------------------------------

// output[t, h] = (weights[t, h] * q_scale[t, h]) * softmax_scale, in fp32 and in that order: the
// indexer's head gate.
//   weights  float32 [T, H], any strides
//   q_scale  float32 [T, H] or [T, H, 1], any strides
//   output   as q_scale; may be q_scale or weights itself
// softmax_scale is head_dim^-0.5.
void apply_q_scale_and_softmax_scale(const Tensor& weights, const Tensor& q_scale,
                                     const Tensor& output, float softmax_scale,
                                     const LaunchOptions& options);

// --- What is in this build ----------------------------------------------------------------------

// The declarations of every kernel of the operators, for `slipstream info` and for the test that
// decodes the images.
[[nodiscard]] std::span<const pdl::KernelDeclaration* const> kernel_declarations();

}  // namespace slipstream::ops
