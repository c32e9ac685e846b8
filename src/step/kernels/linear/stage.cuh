// Brings a CTA's slice of the activations from their source into shared memory.
//
// All groups of all tokens are dealt out to sixteens of neighboring lanes, eight columns to each
// lane. At few tokens a lane has one group: it is loaded once, squared, normalized, quantized and
// stored. Where it has several, all but the last are loaded a second time after the norm's factor,
// mostly from L1.
//
// A norm needs the sum of squares of the whole token: each CTA of a cluster sends those of its
// groups to all others, and everybody adds them in the same order.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/memory.cuh"
#include "step/kernels/linear/operands.cuh"
#include "step/kernels/linear/sources.cuh"
#include "step/kernels/linear/work.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kThreads = kWarps * 32;

template <class Source>
class Stager {
 public:
  __device__ __forceinline__ Stager(const LinearParams& params, const CtaWork& work,
                                    const Source& source, unsigned char* memory,
                                    uint64_t* squares_arrived)
      : params_(params),
        work_(work),
        source_(source),
        squares_(reinterpret_cast<float*>(memory + params.memory.squares)),
        squares_arrived_(squares_arrived),
        first_(*this),
        first_address_(source.address(first_.place(*this))) {}

  // Before the wait: constants, and where the first activations lie.
  __device__ __forceinline__ void prefetch() {
    cuda::settle(first_.token, first_.group, first_.rest, first_address_);
    if constexpr (Source::kNormalizes) {
      Walk walk = first_;
      while (walk.rest > 1) walk.advance(*this);
      load_gamma(walk);
    }
  }

  // Behind the wait. The CTA has yet to meet before it reads the operands.
  __device__ __forceinline__ void stage(const Operands& operands) {
    if constexpr (Source::kNormalizes) {
      stage_normed(operands);
    } else {
      Walk next = first_;
      typename Source::Address address = first_address_;
#pragma unroll 1
      for (int left = next.rest; left > 0; --left) {
        const Walk walk = next;
        next.advance(*this);
        load(walk, address);
        address = source_.address(next.place(*this));
        finish(walk, operands);
      }
    }
  }

 private:
  // Goes through the groups of all tokens that 16 lanes have. The last one may not exist, where
  // other lanes of the CTA have one more; it has the place of another then.
  struct Walk {
    int token = 0;
    int group;  // of the CTA's
    int rest;   // steps, this one included; the same for all threads

    __device__ explicit Walk(const Stager& stager)
        : group(static_cast<int>(threadIdx.x) / kGroupLanes),
          rest((stager.params_.tokens * stager.work_.groups + kGroupsAtOnce - 1) / kGroupsAtOnce) {
      wrap(stager);
    }
    __device__ __forceinline__ void advance(const Stager& stager) {
      group += kGroupsAtOnce;
      --rest;
      wrap(stager);
    }
    __device__ __forceinline__ void wrap(const Stager& stager) {
#pragma unroll 1
      while (group >= stager.work_.groups) {
        group -= stager.work_.groups;
        ++token;
      }
    }
    __device__ __forceinline__ bool exists(const Stager& stager) const {
      return token < stager.params_.tokens;
    }
    __device__ __forceinline__ Place place(const Stager& stager) const {
      const int own = min(token, stager.params_.tokens - 1);
      return {own,
              (stager.work_.first_group + group) * kGroup +
                  static_cast<int>(threadIdx.x) % kGroupLanes * 8,
              stager.turn_of(own), stager.params_.clusters};
    }
  };
  static constexpr int kGroupsAtOnce = kThreads / kGroupLanes;

  // Clusters take turns, a token's first one after the token before's.
  __device__ __forceinline__ int turn_of(int token) const {
    int turn = work_.cluster - token;
#pragma unroll 1
    while (turn < 0) turn += params_.clusters;
    return turn;
  }

  __device__ __forceinline__ void stage_normed(const Operands& operands) {
    Walk walk = first_;
    typename Source::Address address = first_address_;
#pragma unroll 1
    while (true) {
      load(walk, address);
      square(walk);
      if (walk.rest == 1) break;
      walk.advance(*this);
      address = source_.address(walk.place(*this));
    }
    meet();
    // The one that is held first, then those before it.
    bool held = true;
    Walk next = first_;
#pragma unroll 1
    for (int left = next.rest; left > 0; --left) {
      if (!held) {
        walk = next;
        next.advance(*this);
        load(walk, source_.address(walk.place(*this)));
        load_gamma(walk);
      }
      held = false;
      finish(walk, operands);
    }
  }

  __device__ __forceinline__ void load_gamma(const Walk& walk) {
    source_.load_gamma(walk.place(*this).column, gamma_);
  }

  __device__ __forceinline__ void load(const Walk& walk, const typename Source::Address& address) {
    zero(values_);
    if (walk.exists(*this)) source_.load(walk.place(*this), address, values_);
  }

  __device__ __forceinline__ void square(const Walk& walk) const {
    float sum = 0;
#pragma unroll
    for (const float value : values_) sum += value * value;
    sum = group_sum(sum);
    if (!walk.exists(*this)) return;
    const Place place = walk.place(*this);
    source_.store_sum(place, values_);
    send_square(walk, place.token, sum);
    source_.clean_up(place);
  }

  __device__ __forceinline__ void send_square(const Walk& walk, int token, float sum) const {
    const int lane = static_cast<int>(threadIdx.x) % kGroupLanes;
    if (lane >= params_.cluster_ctas) return;
    float* target = squares_ + token * params_.groups() + work_.first_group + walk.group;
    if (params_.cluster_ctas == 1) {
      *target = sum;
    } else {
      cuda::store_async_4(cuda::remote_address(target, lane), sum,
                          cuda::remote_address(squares_arrived_, lane));
    }
  }

  // What is loaded, as the tensor core's operand.
  __device__ __forceinline__ void finish(const Walk& walk, const Operands& operands) {
    const Place place = walk.place(*this);
    if constexpr (Source::kNormalizes) {
      const float factor = source_.factor(sum_of_squares(place));
      if (walk.exists(*this)) source_.finish(place, gamma_, factor, values_);
    }
    operands.store(walk.group, place.token, values_, params_.ue8m0, walk.exists(*this));
  }

  // All sums of squares are there.
  __device__ __forceinline__ void meet() const {
    if (params_.cluster_ctas == 1) {
      __syncthreads();
    } else {
      cuda::wait_barrier(squares_arrived_, 0);
    }
  }

  __device__ __forceinline__ float sum_of_squares(const Place& place) const {
    const int groups = params_.groups();
    const GroupRange range = source_.normed_with(place, groups);
    float sum = 0;
#pragma unroll 4
    for (int group = range.first + static_cast<int>(threadIdx.x) % kGroupLanes; group < range.end;
         group += kGroupLanes) {
      sum += squares_[place.token * groups + group];
    }
    return group_sum(sum);
  }

  static __device__ __forceinline__ float group_sum(float value) {
#pragma unroll
    for (int distance = kGroupLanes / 2; distance > 0; distance /= 2) {
      value += __shfl_xor_sync(kAllLanes, value, distance);
    }
    return value;
  }

  const LinearParams& params_;
  const CtaWork& work_;
  const Source& source_;
  float* squares_;
  uint64_t* squares_arrived_;
  Walk first_;
  typename Source::Address first_address_;
  Eight gamma_ = {};
  Eight values_ = {};
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
