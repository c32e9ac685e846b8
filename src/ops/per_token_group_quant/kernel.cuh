// Quantizes groups of 16 to 128 neighboring elements to fp8 or int8, one scale each, after
// silu(gate) * up if asked.
//
// A thread takes eight elements (16 or 32 bytes in, 8 bytes out), a group is 2 to 16 neighboring
// lanes that find its maximum by shuffles. Threads (x) stand over a row, in whole warps, so that a
// warp never holds two rows; the grid is pieces of a row x tokens x experts. Only the input's dtype
// and the silu make kernels of their own; group size, scale layout and output dtype are branches
// that the whole grid takes alike.
//
// PDL: trigger at entry, addresses, wait. The first row of every thread is loaded together with
// masked_m, whether or not the expert has that many tokens: its memory is there, and one round trip
// is saved. All lanes stay in the loop for the shuffles; those past the end of a row or of the
// tokens compute on zeros and store nothing.
#pragma once

#include "cuda/convert.cuh"
#include "cuda/memory.cuh"
#include "cuda/quantize.cuh"
#include "ops/per_token_group_quant/params.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kQuantMaxThreads = 128;

// What makes a kernel of its own. (A type, as nvcc 13.0 cannot name a kernel with a struct value
// for an argument.)
template <DType kDType, bool kFuseSilu>
struct GroupQuantConfig {
  static constexpr DType kInputDtype = kDType;
  static constexpr bool kSilu = kFuseSilu;
  static constexpr int kElementBytes = kDType == DType::kFloat32 ? 4 : 2;
};

// Eight elements as loaded: 16-bit ones fill `low` only.
struct PackedElements {
  uint4 low;
  uint4 high;
};

template <class Config>
__device__ __forceinline__ PackedElements load_elements(const uint8_t* address) {
  PackedElements packed{};
  packed.low = *reinterpret_cast<const uint4*>(address);
  if constexpr (Config::kElementBytes == 4)
    packed.high = reinterpret_cast<const uint4*>(address)[1];
  return packed;
}

template <class Config>
__device__ __forceinline__ void floats_of(const PackedElements& packed,
                                          float (&values)[cuda::kPack]) {
  if constexpr (Config::kInputDtype == DType::kFloat32) {
    memcpy(values, &packed, sizeof(values));
  } else {
    cuda::unpack<Config::kInputDtype>(packed.low, values);
  }
}

// What a thread holds of a row: eight elements, and with silu the eight of the up half that go with
// them.
struct RowElements {
  PackedElements gate;
  PackedElements up;
};

// The elements at `column` of a row, zeros where `exists` is false.
template <class Config>
__device__ __forceinline__ RowElements load_row(const PerTokenGroupQuantParams& params,
                                                const uint8_t* address, bool exists) {
  RowElements elements{};
  if (!exists) return elements;
  elements.gate = load_elements<Config>(address);
  if constexpr (Config::kSilu) {
    elements.up = load_elements<Config>(address + static_cast<int64_t>(params.columns) *
                                                      Config::kElementBytes);
  }
  return elements;
}

// To the input's dtype and back.
template <class Config>
__device__ __forceinline__ void round_to_input(float (&values)[cuda::kPack]) {
  if constexpr (Config::kInputDtype != DType::kFloat32) {
    cuda::unpack<Config::kInputDtype>(cuda::pack<Config::kInputDtype>(values), values);
  }
}

// silu in fp32, rounded to the input's dtype, times up, rounded again.
template <class Config>
__device__ __forceinline__ void values_of(const RowElements& elements,
                                          float (&values)[cuda::kPack]) {
  floats_of<Config>(elements.gate, values);
  if constexpr (Config::kSilu) {
    float up[cuda::kPack];
    floats_of<Config>(elements.up, up);
#pragma unroll
    for (float& value : values) value = __fdividef(value, 1.0F + expf(-value));
    round_to_input<Config>(values);
#pragma unroll
    for (int i = 0; i < cuda::kPack; ++i) values[i] = __fmul_rn(values[i], up[i]);
    round_to_input<Config>(values);
  }
}

// Eight int8 codes, rounded to nearest even and saturated; NaN gives 0.
__device__ __forceinline__ uint2 to_int8(const float (&values)[cuda::kPack]) {
  uint32_t words[2] = {};
#pragma unroll
  for (int i = 0; i < cuda::kPack; ++i) {
    const int code = min(max(__float2int_rn(values[i]), -128), 127);
    words[i / 4] |= static_cast<uint32_t>(code & 0xff) << (8 * (i % 4));
  }
  return {words[0], words[1]};
}

// Where a thread stands in its row; the same for every token, and known before the wait.
struct Place {
  int column;
  int group;
  bool in_row;
  bool leads_group;  // the first lane of a group stores its scale
  bool ends_row;     // in the last group of the row
};

__device__ __forceinline__ Place place_of(const PerTokenGroupQuantParams& params) {
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * cuda::kPack;
  const int group = column / params.group_size;
  return {column, group, column < params.columns, group * params.group_size == column,
          (group + 1) * params.group_size >= params.columns};
}

// Stores the scale of the thread's group, and with UE8M0 zeros after the last one of a row.
__device__ __forceinline__ void store_scale(const PerTokenGroupQuantParams& params,
                                            int64_t row_words, const Place& place, float scale) {
  uint8_t* row = params.output_s.get() + 4 * row_words;
  if (!params.scale_ue8m0) {
    *reinterpret_cast<float*>(row + 4 * (place.group * params.scale_word_stride)) = scale;
    return;
  }
  const int byte = place.group % 4;
  uint8_t* word = row + 4 * (place.group / 4 * params.scale_word_stride);
  word[byte] = static_cast<uint8_t>(__float_as_uint(scale) >> 23);
  if (!place.ends_row) return;
#pragma unroll
  for (int tail = 1; tail < 4; ++tail) {
    if (tail > byte) word[tail] = 0;
  }
}

// Quantizes the thread's elements of a token together with the other lanes of the group. The whole
// warp takes part; lanes with `stores` false only keep it company.
template <class Config>
__device__ __forceinline__ void quantize(const PerTokenGroupQuantParams& params,
                                         const RowElements& elements, int64_t token,
                                         const Place& place, bool stores) {
  const bool is_fp8 = params.output_dtype == DType::kFloat8E4M3;
  const cuda::ScaleRule rule{
      params.eps,
      is_fp8 ? cuda::Divisor{448.0F, 1.0F / 448.0F} : cuda::Divisor{127.0F, 1.0F / 127.0F},
      params.scale_ue8m0};
  float values[cuda::kPack];
  values_of<Config>(elements, values);
  const int lanes = params.group_size / cuda::kPack;
  const cuda::Divisor scale =
      cuda::group_scale(cuda::group_max(cuda::largest_magnitude(values), lanes), rule);
#pragma unroll
  for (float& value : values) value = cuda::divide(value, scale);
  if (!stores) return;
  const int64_t expert = blockIdx.z;
  const int64_t row = expert * params.tokens + token;
  auto* codes =
      reinterpret_cast<uint2*>(params.output_q.get() + row * params.columns + place.column);
  *codes = is_fp8 ? cuda::to_fp8(values, DType::kFloat8E4M3) : to_int8(values);
  if (place.leads_group) {
    store_scale(params, expert * params.scale_expert_stride + token * params.scale_token_stride,
                place, scale.value);
  }
}

template <class Config>
__global__ void __launch_bounds__(kQuantMaxThreads)
    per_token_group_quant_kernel(const __grid_constant__ PerTokenGroupQuantParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int expert = static_cast<int>(blockIdx.z);
  const Place place = place_of(params);
  const int64_t step = static_cast<int64_t>(gridDim.y) * blockDim.y;
  int64_t block_token = static_cast<int64_t>(blockIdx.y) * blockDim.y;
  int64_t token = block_token + threadIdx.y;
  const uint8_t* address = params.input.get() + expert * params.input_expert_stride +
                           token * params.input_token_stride +
                           static_cast<int64_t>(place.column) * Config::kElementBytes;

  cuda::settle(address, place.group);
  pdl::wait();
  RowElements elements = load_row<Config>(params, address, place.in_row && token < params.tokens);
  const int64_t tokens = params.tokens_of(expert);
  cuda::keep(elements.gate.low);
#pragma unroll 1
  while (block_token < tokens) {
    quantize<Config>(params, elements, token, place, place.in_row && token < tokens);
    block_token += step;
    token += step;
    address += step * params.input_token_stride;
    elements = load_row<Config>(params, address, place.in_row && token < tokens);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
