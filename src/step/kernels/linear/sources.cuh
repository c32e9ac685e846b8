// Where the activations of a matrix product come from. A source gives eight neighboring columns of
// one token, each rounded to bf16 as if it had been stored; norms: norm_sources.cuh. Addresses are made
// apart from loads: the first ones before the wait, where nobody waits for the arithmetic; and loads apart
// from what is made of them, so that a lane can have several on their way.
#pragma once

#include "step/kernels/linear/norm_sources.cuh"
#include "step/kernels/linear/source_values.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// What lies ready as operands, and is only copied.
class PreparedSource {
 public:
  using Input = PreparedInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  static constexpr StagingCost kCost = {0, 0, 0};
  static constexpr bool kPolls = false;
  __device__ explicit PreparedSource(const Input& input) : operands_(input.operands) {}
  __device__ const unsigned char* operands() const { return operands_.get(); }

 private:
  pdl::Produced<const unsigned char> operands_;
};

class PlainSource : public UncodedSource {
 public:
  using Input = PlainInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  static constexpr StagingCost kCost = {3, 20, 26};
  static constexpr bool kPolls = false;
  using Address = const __nv_bfloat16*;
  template <int kCount>
  using Raw = Packed<kCount>;
  __device__ explicit PlainSource(const Input& input) : input_(input) {}
  __device__ Address address(const Place& place) const {
    return input_.rows.get() + place.token * input_.stride + place.column;
  }
  template <int kCount>
  __device__ Raw<kCount> load(const Place& /*place*/, Address address) const {
    return load_raw<kCount>(address);
  }
  template <int kCount>
  __device__ void unpack(const Raw<kCount>& raw, Values<kCount>& values) const {
    cuda::unpack<DType::kBFloat16>(raw, values);
  }

 private:
  const Input& input_;
};

// silu(gate) * up, rounded.
class SiluSource : public UncodedSource {
 public:
  using Input = SiluInput;
  static constexpr bool kNormalizes = false;
  static constexpr bool kMayPush = true;
  static constexpr StagingCost kCost = {10, 40, 60};
  static constexpr bool kPolls = false;
  using Address = const __nv_bfloat16*;  // of the gate
  template <int kCount>
  struct Raw {
    Packed<kCount> gate;
    Packed<kCount> up;
  };
  __device__ explicit SiluSource(const Input& input) : input_(input) {}
  __device__ Address address(const Place& place) const {
    return input_.rows.get() + place.token * input_.stride + place.column;
  }
  template <int kCount>
  __device__ Raw<kCount> load(const Place& /*place*/, Address gate) const {
    return {load_raw<kCount>(gate), load_raw<kCount>(gate + input_.columns)};
  }
  template <int kCount>
  __device__ void unpack(const Raw<kCount>& raw, Values<kCount>& values) const {
    Values<kCount> up;
    cuda::unpack<DType::kBFloat16>(raw.gate, values);
    cuda::unpack<DType::kBFloat16>(raw.up, up);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float silu = values[i] / (1.0F + expf(-values[i]));
      values[i] = silu * up[i];
    }
    round_to_bf16(values);
  }

 private:
  const Input& input_;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
