// Activations as the tensor core's second operand, in shared memory: every CTA stages its slice of
// the columns once, for all of its tiles.
//
// A chunk of weights meets 128 bytes of each token: 128 e4m3 codes or 64 bf16 values. They lie as
// [chunk][half 2][token][lane % 4][16 bytes], where a lane reads both halves: 32 neighboring
// columns of its token (16 where they are bf16). The tensor core wants another order of columns,
// but a dot product does not care as long as the weights have the same (pack.h).
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/shared_memory.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/linear/sources.cuh"
#include "step/kernels/support/code_units.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// Where a place's codes go besides, for later launches.
struct CodeSink {
  CodeUnits units;
  int unit;
  bool is_there;  // for all places alike
  bool stores;    // this one's
};

class Operands {
 public:
  __device__ Operands(const LinearMemory& layout, int tokens, unsigned char* memory)
      : tokens_(tokens),
        codes_(layout.codes < 0 ? nullptr : memory + layout.codes),
        values_(layout.values < 0 ? nullptr : memory + layout.values),
        scales_(reinterpret_cast<float*>(memory + layout.scales)) {}

  // Those from a group on in global memory, for the next launch.
  template <class Input>
  __device__ Operands(const PrepareLaunch<Input>& launch, int first_group)
      : tokens_(launch.tokens) {
    const OperandImage image(launch.group_count, launch.tokens);
    unsigned char* const memory = launch.input.operands.get();
    const auto part = [&](int begin, int group_bytes) {
      return memory + begin + first_group * group_bytes;
    };
    codes_ = launch.as_codes ? part(image.codes, image.group_codes) : nullptr;
    values_ = launch.as_values ? part(image.values, image.group_values) : nullptr;
    scales_ = reinterpret_cast<float*>(part(image.scales, OperandImage::kGroupScales));
  }

  // Starts to copy those of some groups that the launch before has made, in each format that is
  // wanted. Of one thread, after the wait.
  __device__ void copy(const OperandImage& image, const unsigned char* memory, int first_group,
                       int groups, uint64_t* arrived) const {
    const int bytes = (codes_ == nullptr ? 0 : image.group_codes + OperandImage::kGroupScales) +
                      (values_ == nullptr ? 0 : image.group_values);
    const auto copy_part = [&](void* target, int part, int group_bytes) {
      cuda::copy_bulk(target, memory + part + first_group * group_bytes, groups * group_bytes,
                      arrived);
    };
    cuda::publish_to_copies();
    cuda::expect_bytes(arrived, groups * bytes);
    if (codes_ != nullptr) {
      copy_part(codes_, image.codes, image.group_codes);
      copy_part(scales_, image.scales, OperandImage::kGroupScales);
    }
    if (values_ != nullptr) copy_part(values_, image.values, image.group_values);
  }

  // Columns of a group, in each format that is wanted: four of each of 32 lanes, eight of 16, 16 of
  // eight, or 32, all that a lane multiplies, of four. The lanes of a group take part together, and so do all
  // groups of a warp.
  template <int kCount>
  __device__ void store(int group, int token, float (&values)[kCount], bool ue8m0, bool exists,
                        const CodeSink& sink) const {
    constexpr int kLanes = kGroup / kCount;
    const uint32_t first = threadIdx.x % kLanes * kCount / 8;  // eight
    if (values_ != nullptr && exists) store_values(group, token, first, values);
    if (codes_ == nullptr && !sink.is_there) return;
    const cuda::Divisor scale = activation_scale(lane_max<kLanes>(largest(values)), ue8m0);
    if (!exists) return;
    divide(values, scale, ue8m0);
    uint32_t words[kCount / 4];
#pragma unroll
    for (int i = 0; i < kCount / 4; ++i) {
      words[i] = four_codes(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
    }
    if (sink.stores) sink.units.store(sink.unit, words, scale.value);
    if (codes_ == nullptr) return;
    store_codes(group, token, first, words);
    if (threadIdx.x % kLanes == 0) scales_[group * kMaxRows + token] = scale.value;
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
  template <int kCount>
  static __device__ float largest(const float (&values)[kCount]) {
    float amax = 0.0F;
#pragma unroll
    for (int i = 0; i < kCount; ++i) amax = fmaxf(amax, fabsf(values[i]));
    return amax;
  }

  template <int kCount>
  __device__ void store_values(int group, int token, uint32_t first,
                               const float (&values)[kCount]) const {
    const auto place_of = [&](uint32_t eight) {
      return values_ + offset(group * 2 + eight % 4 / 2, eight % 2, token, eight / 4);
    };
    if constexpr (kCount == 4) {
      *reinterpret_cast<uint2*>(place_of(first) + threadIdx.x % 2 * 8) =
          cuda::pack<DType::kBFloat16>(values);
    } else {
#pragma unroll
      for (int i = 0; i < kCount / 8; ++i) {
        *reinterpret_cast<uint4*>(place_of(first + i)) =
            cuda::pack<DType::kBFloat16>(reinterpret_cast<const float(&)[8]>(values[i * 8]));
      }
    }
  }

  template <int kWords>
  __device__ void store_codes(int group, int token, uint32_t first,
                              const uint32_t (&words)[kWords]) const {
    unsigned char* const target =
        codes_ + offset(group, first % 4 / 2, token, first / 4) + first % 2 * 8;
    if constexpr (kWords == 1) {
      *reinterpret_cast<uint32_t*>(target + threadIdx.x % 2 * 4) = words[0];
    } else if constexpr (kWords == 2) {
      *reinterpret_cast<uint2*>(target) = {words[0], words[1]};
    } else {
      *reinterpret_cast<uint4*>(target) = {words[0], words[1], words[2], words[3]};
    }
    if constexpr (kWords == 8) {
      *reinterpret_cast<uint4*>(target + tokens_ * 64) = {words[4], words[5], words[6], words[7]};
    }
  }

  __device__ uint32_t offset(uint32_t chunk, uint32_t half, uint32_t token, uint32_t lane) const {
    return ((chunk * 2 + half) * tokens_ + token) * 64 + lane * 16;
  }

  int tokens_;
  unsigned char* codes_;
  unsigned char* values_;
  float* scales_;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
