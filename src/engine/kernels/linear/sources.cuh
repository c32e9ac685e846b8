// Where the activations of a matrix product come from. A source gives 32 neighbouring columns of
// one token, each rounded to bf16 as if it had been stored; all of it is read after the wait.
#pragma once

#include "engine/kernels/linear/params.h"
#include "engine/kernels/support/lanes.cuh"

namespace slipstream::engine::kernels {

inline constexpr int kLaneColumns = 32;
using LaneValues = float[kLaneColumns];

// Shared memory of a source: a factor per token.
struct SourceShared {
  float factor[kMaxRows];
};

__device__ __forceinline__ void zero(LaneValues& values) {
#pragma unroll
  for (float& value : values) value = 0.0F;
}

__device__ __forceinline__ void load_lane(const __nv_bfloat16* source, LaneValues& values) {
#pragma unroll
  for (int piece = 0; piece < kLaneColumns / 8; ++piece) {
    float eight[8];
    load_eight(source + piece * 8, eight);
#pragma unroll
    for (int i = 0; i < 8; ++i) values[piece * 8 + i] = eight[i];
  }
}

class PlainSource {
 public:
  using Input = PlainInput;
  __device__ PlainSource(const Input& input, int input_index, SourceShared& /*shared*/)
      : input_(input), rows_(input.rows.get() + input_index * input.input_stride) {}
  __device__ void prepare(int /*tokens*/) {}
  __device__ void values(int token, int column, LaneValues& values) const {
    if (column >= input_.columns) return zero(values);
    load_lane(rows_ + token * input_.stride + column, values);
  }

 private:
  const Input& input_;
  const __nv_bfloat16* rows_;
};

class NormSource {
 public:
  using Input = NormInput;
  __device__ NormSource(const Input& input, int /*input_index*/, SourceShared& shared)
      : input_(input), shared_(shared) {}

  // Every CTA computes all factors: that is quicker than waiting for a kernel that did. The stored
  // sums are shared out among the CTAs.
  __device__ void prepare(int tokens) {
    const int warps = static_cast<int>(blockDim.x) / 32;
    for (int token = threadIdx.x / 32; token < tokens; token += warps) {
      const bool stores = input_.sum.get() != nullptr && token % gridDim.x == blockIdx.x;
      const float squares = warp_sum(sum_of_squares(token, stores));
      if (threadIdx.x % 32 == 0) {
        shared_.factor[token] = rsqrtf(squares / static_cast<float>(input_.columns) + input_.eps);
      }
    }
    __syncthreads();
  }

  __device__ void values(int token, int column, LaneValues& values) const {
    load_lane(row(token) + column, values);
    if (input_.delta.get() != nullptr) {
      LaneValues delta;
      load_lane(input_.delta.get() + token * input_.columns + column, delta);
#pragma unroll
      for (int i = 0; i < kLaneColumns; ++i) values[i] += delta[i];
    }
    const float factor = shared_.factor[token];
    const float* gamma = input_.gamma.get() + column;
#pragma unroll
    for (int i = 0; i < kLaneColumns; i += 4) {
      const float4 g = *reinterpret_cast<const float4*>(gamma + i);
      values[i] = round_to_bf16(g.x * (values[i] * factor));
      values[i + 1] = round_to_bf16(g.y * (values[i + 1] * factor));
      values[i + 2] = round_to_bf16(g.z * (values[i + 2] * factor));
      values[i + 3] = round_to_bf16(g.w * (values[i + 3] * factor));
    }
    if (input_.normed.get() != nullptr && blockIdx.x == 0) store_normed(token, column, values);
  }

 private:
  __device__ const __nv_bfloat16* row(int token) const {
    if (input_.embedding.get() != nullptr) {
      return input_.embedding.get() +
             static_cast<std::int64_t>(input_.step.get()[token].token) * input_.columns;
    }
    return input_.rows.get() + token * input_.stride;
  }

  __device__ float sum_of_squares(int token, bool stores) const {
    const __nv_bfloat16* x = row(token);
    const __nv_bfloat16* delta = input_.delta.get();
    float squares = 0;
    for (int column = threadIdx.x % 32 * 8; column < input_.columns; column += 256) {
      float values[8];
      load_eight(x + column, values);
      if (delta != nullptr) {
        float more[8];
        load_eight(delta + token * input_.columns + column, more);
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] += more[i];
      }
#pragma unroll
      for (const float value : values) squares += value * value;
      if (stores) {
        *reinterpret_cast<uint4*>(input_.sum.get() + token * input_.columns + column) =
            ops::pack<DType::kBFloat16>(values);
      }
    }
    return squares;
  }

  __device__ void store_normed(int token, int column, const LaneValues& values) const {
    __nv_bfloat16* target = input_.normed.get() + token * input_.columns + column;
#pragma unroll
    for (int i = 0; i < kLaneColumns; ++i) target[i] = __float2bfloat16_rn(values[i]);
  }

  const Input& input_;
  SourceShared& shared_;
};

// silu(gate) * up, rounded.
__device__ __forceinline__ void load_gated(const __nv_bfloat16* gate, const __nv_bfloat16* up,
                                           LaneValues& values) {
  load_lane(gate, values);
  LaneValues factors;
  load_lane(up, factors);
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) {
    const float silu = values[i] / (1.0F + expf(-values[i]));
    values[i] = round_to_bf16(silu * factors[i]);
  }
}

class SiluSource {
 public:
  using Input = SiluInput;
  __device__ SiluSource(const Input& input, int /*input_index*/, SourceShared& /*shared*/)
      : input_(input) {}
  __device__ void prepare(int /*tokens*/) {}
  __device__ void values(int token, int column, LaneValues& values) const {
    const __nv_bfloat16* gate = input_.rows.get() + token * input_.stride + column;
    load_gated(gate, gate + input_.columns, values);
  }

 private:
  const Input& input_;
};

class CombineSource {
 public:
  using Input = CombineInput;
  __device__ CombineSource(const Input& input, int head, SourceShared& /*shared*/)
      : input_(input), head_(head) {}
  __device__ void prepare(int /*tokens*/) {}

  __device__ void values(int token, int column, LaneValues& values) const {
    zero(values);
    const std::int64_t first = (std::int64_t{token} * input_.heads + head_) * input_.splits;
    const float2* weights = input_.weights.get() + first;
    float largest = -INFINITY;
    for (int split = 0; split < input_.splits; ++split) {
      largest = fmaxf(largest, weights[split].x);
    }
    float total = 0;
    for (int split = 0; split < input_.splits; ++split) {
      const float2 weight = weights[split];
      if (weight.y == 0.0F) continue;  // the split had no keys and wrote nothing else
      const float factor = exp2f(weight.x - largest);
      total += factor * weight.y;
      const float* partial = input_.partials.get() + (first + split) * kLatent + column;
#pragma unroll
      for (int i = 0; i < kLaneColumns; ++i) values[i] += factor * partial[i];
    }
#pragma unroll
    for (float& value : values) value = round_to_bf16(value / total);
  }

 private:
  const Input& input_;
  int head_;
};

}  // namespace slipstream::engine::kernels
