// Activations as the tensor core's second operand, in shared memory: every CTA stages its slice of
// the columns once, for all of its tiles.
//
// A chunk of weights meets 128 bytes of each token: 128 e4m3 codes or 64 bf16 values. They lie as
// [chunk][half 2][token][lane % 4][16 bytes], where a lane reads both halves: 32 neighboring
// columns of its token (16 where they are bf16). The tensor core wants another order of columns,
// but a dot product does not care as long as the weights have the same (pack.h).
#pragma once

#include "cuda/shared_memory.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/linear/sources.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kGroupLanes = kGroup / 8;  // hold a group, eight columns each

class Operands {
 public:
  __device__ Operands(const LinearMemory& layout, int tokens, unsigned char* memory)
      : tokens_(tokens),
        codes_(layout.codes < 0 ? nullptr : memory + layout.codes),
        values_(layout.values < 0 ? nullptr : memory + layout.values),
        scales_(reinterpret_cast<float*>(memory + layout.scales)) {}

  // Eight columns of a group (those of number lane % 16), in each format that is wanted. The lanes
  // of a group take part together, and so do both groups of a warp.
  __device__ void store(int group, int token, const Eight& values, bool ue8m0, bool exists) const {
    const int eight = static_cast<int>(threadIdx.x) % kGroupLanes;
    const int lane = eight / 4;
    if (values_ != nullptr && exists) {
      const int chunk = group * 2 + eight % 4 / 2;
      *reinterpret_cast<uint4*>(values_ + offset(chunk, eight % 2, token, lane)) =
          cuda::pack<DType::kBFloat16>(values);
    }
    if (codes_ == nullptr) return;
    const float amax = lane_max<kGroupLanes>(cuda::largest_magnitude(values));
    const cuda::Divisor scale = activation_scale(amax, ue8m0);
    if (!exists) return;
    Eight quotients;
#pragma unroll
    for (int i = 0; i < 8; ++i) quotients[i] = values[i];
    divide(quotients, scale, ue8m0);
    *reinterpret_cast<uint2*>(codes_ + offset(group, eight % 4 / 2, token, lane) +
                              eight % 2 * 8) = {
        four_codes(quotients[0], quotients[1], quotients[2], quotients[3]),
        four_codes(quotients[4], quotients[5], quotients[6], quotients[7])};
    if (eight == 0) scales_[group * kMaxRows + token] = scale.value;
  }

  // Where the lane's part of the first chunk lies: its token's, or any other's where there are
  // fewer tokens (those sums are not used).
  __device__ uint32_t lane_address(bool fp8, int token) const {
    return cuda::shared_address(fp8 ? codes_ : values_) +
           offset(0, 0, min(token, tokens_ - 1), static_cast<int>(threadIdx.x) % 4);
  }
  __device__ int chunk_stride() const { return tokens_ * 128; }
  // Both halves of a chunk.
  __device__ void load(uint32_t address, uint4 (&words)[2]) const {
    words[0] = cuda::load_shared_16(address);
    words[1] = cuda::load_shared_16(address + tokens_ * 64);
  }
  // Of group 0; the next one's lies kMaxRows further.
  __device__ const float* scale(int token) const { return scales_ + min(token, tokens_ - 1); }

 private:
  __device__ int offset(int chunk, int half, int token, int lane) const {
    return ((chunk * 2 + half) * tokens_ + token) * 64 + lane * 16;
  }

  int tokens_;
  unsigned char* codes_;
  unsigned char* values_;
  float* scales_;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
