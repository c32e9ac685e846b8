// What all ways of staging activations (stage.cuh) share: which lane has which columns of a token, squares,
// sums that are stored, factors of norms.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/memory.cuh"
#include "step/kernels/linear/operands.cuh"
#include "step/kernels/linear/poll_rows.cuh"
#include "step/kernels/linear/sources.cuh"
#include "step/kernels/linear/work.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kThreads = kWarps * 32;

// The sum over neighboring lanes, a power of two, of what each has of a group: the sums of every
// eight columns, always added in the same order.
template <int kEights>
__device__ __forceinline__ float group_sum(float (&sums)[kEights]) {
  constexpr int kLanes = kGroup / 8 / kEights;
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
#pragma unroll
    for (float& sum : sums) sum += __shfl_xor_sync(kAllLanes, sum, distance);
  }
  if constexpr (kEights == 1) return sums[0];
  if constexpr (kEights == 2) return sums[0] + sums[1];
  if constexpr (kEights == 4) return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

// `Params`: of the product, or of a launch that prepares it. What is polled for is polled for before the
// wait if `polls_early`.
template <class Source, class Params, bool polls_early>
class StagerBase {
 public:
  __device__ __forceinline__ StagerBase(const Params& params, const CtaWork& work,
                                        const Source& source, float* squares,
                                        uint64_t* squares_arrived)
      : params_(params),
        work_(work),
        source_(source),
        squares_(squares),
        squares_arrived_(squares_arrived) {}

 protected:
  // What a lane has of a place. One that does not exist has the address of another.
  struct Share {
    Place place;
    int group;  // of the CTA's
    bool exists;
  };

  __device__ __forceinline__ Share share(int token, int group, int column) const {
    const int own_token = min(token, params_.tokens - 1);
    const int own_group = min(group, work_.groups - 1);
    return {{own_token, (work_.first_group + own_group) * kGroup + column, turn_of(own_token),
             params_.clusters},
            own_group,
            token < params_.tokens && group < work_.groups};
  }

  // Added to `sum`, in order.
  template <int kCount>
  static __device__ __forceinline__ float sum_of_squares(const Values<kCount>& values,
                                                         float sum = 0) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum += values[i] * values[i];
    return sum;
  }

  // What a lane has of a place, as the norm reads it. Once it has been sent for, all weights are, by `meanwhile`:
  // what is sent for before comes before. Where it is polled for, most of them come later: most polls have to be
  // repeated, and would queue behind them.
  template <int kCount, class Meanwhile>
  __device__ __forceinline__ void load(const Share& own, const typename Source::Address& address,
                                       float (&values)[kCount], const Meanwhile& meanwhile) const {
    if constexpr (Source::kPolls) {
      poll<kCount>(own, address, values, meanwhile);
    } else {
      constexpr int kUnit = unit_of(kCount);
      constexpr int kUnits = kCount / kUnit;
      typename Source::template Raw<kUnit> raw[kUnits];
#pragma unroll
      for (int i = 0; i < kUnits; ++i) {
        raw[i] = source_.template load<kUnit>(own.place.advanced(i * kUnit),
                                              advance(address, i * kUnit));
      }
      meanwhile(kMaxRingSlots);
#pragma unroll
      for (int i = 0; i < kUnits; ++i) {
        source_.template unpack<kUnit>(raw[i], unit(values, i));
      }
    }
  }

  template <int kCount, class Meanwhile>
  __device__ __forceinline__ void poll(const Share& own, const typename Source::Address& address,
                                       float (&values)[kCount], const Meanwhile& meanwhile) const {
    if constexpr (polls_early) {
      // Some words are there, mostly the own rank's: now memory is idle until the others' come.
      int slots = params_.early_slots;
      source_.template look_out<unit_of(kCount)>(address, [&] {
        if (slots < kMaxRingSlots / 2) meanwhile(++slots);
      });
    }
    if constexpr (kCount == 16) {
      poll_rows_at_once(source_, own.place, address, own.exists, values);
    } else if constexpr (kCount > 8) {
      poll_rows<kCount>(source_, own.place, own.exists, values);
    } else {
      if (!own.exists) return;
      auto raw = source_.template load<kCount>(own.place, address);
      source_.template receive<kCount>(own.place, address, raw, values);
    }
  }

  // Columns of which a source is asked at a time.
  static constexpr int unit_of(int count) { return count < 8 ? count : 8; }
  template <int kCount>
  static __device__ __forceinline__ Values<unit_of(kCount)>& unit(float (&values)[kCount],
                                                                  int index) {
    return reinterpret_cast<Values<unit_of(kCount)>&>(values[index * unit_of(kCount)]);
  }

  // Tells the cluster what the lanes of a place have loaded; and, unless that can be done later, whoever
  // wants the sums.
  template <int kCount>
  __device__ __forceinline__ void square(const Share& own, float (&values)[kCount]) const {
    const float sum = squares_of_group(values);
    if (!own.exists) return;
    send_square<kGroup / kCount>(own, sum);
    if constexpr (!polls_early) {
      store_sums(own, values);
      clean_up<kCount>(own);
    }
  }

  // Of a place that exists.
  template <int kCount>
  __device__ __forceinline__ void store_sums(const Share& own, float (&values)[kCount]) const {
    constexpr int kUnit = unit_of(kCount);
#pragma unroll
    for (int i = 0; i < kCount / kUnit; ++i) {
      source_.template store_sum<kUnit>(own.place.advanced(i * kUnit), unit(values, i));
    }
  }

  // Of a place that exists: empties what the exchange before has brought.
  template <int kCount>
  __device__ __forceinline__ void clean_up(const Share& own) const {
    constexpr int kUnit = unit_of(kCount);
#pragma unroll 1
    for (int i = 0; i < kCount / kUnit; ++i) {
      source_.template clean_up<kUnit>(own.place.advanced(i * kUnit));
    }
  }

  // Over the lanes of a place, in one order however many these are.
  template <int kCount>
  static __device__ __forceinline__ float squares_of_group(float (&values)[kCount]) {
    if constexpr (kCount == 4) {
      // The odd lane of two goes on where the even one ends.
      const float first_half = __shfl_xor_sync(kAllLanes, sum_of_squares<4>(values), 1);
      const float both = sum_of_squares<4>(values, first_half);
      const float odd_lanes = __shfl_xor_sync(kAllLanes, both, 1);
      float sum = threadIdx.x % 2 == 0 ? odd_lanes : both;
#pragma unroll
      for (int distance = 16; distance > 1; distance /= 2) {
        sum += __shfl_xor_sync(kAllLanes, sum, distance);
      }
      return sum;
    } else {
      float sums[kCount / 8];
#pragma unroll
      for (int i = 0; i < kCount / 8; ++i) sums[i] = sum_of_squares<8>(unit(values, i));
      return group_sum(sums);
    }
  }

  // Of a place that `kLanes` lanes share, to all CTAs of the cluster.
  template <int kLanes>
  __device__ __forceinline__ void send_square(const Share& own, float sum) const {
    float* const target =
        squares_ + own.place.token * params_.groups() + work_.first_group + own.group;
    const int lane = static_cast<int>(threadIdx.x) % kLanes;
    if (params_.cluster_ctas == 1) {
      if (lane == 0) *target = sum;
    } else {
#pragma unroll
      for (int first = 0; first < kMaxClusterCtas; first += kLanes) {
        const int rank = first + lane;
        if (rank >= params_.cluster_ctas) continue;
        cuda::store_async_4(cuda::remote_address(target, rank), sum,
                            cuda::remote_address(squares_arrived_, rank));
      }
    }
  }

  __device__ __forceinline__ CodeSink code_sink(const Share& own) const {
    unsigned char* const image = source_.coded();
    const int tokens = params_.tokens;
    // Without a branch, so that only who stores finds out where.
    return {{image, params_.groups() * tokens},
            code_unit(work_.first_group + own.group, own.place.token, tokens),
            image != nullptr,
            image != nullptr && own.exists && own.place.stores()};
  }

  // All sums of squares are there.
  __device__ __forceinline__ void meet() const {
    if (params_.cluster_ctas == 1) {
      __syncthreads();
    } else {
      cuda::wait_barrier(squares_arrived_, 0);
    }
  }

  // The factor of one of a token's norms, made by neighboring lanes.
  template <int kLanes>
  __device__ __forceinline__ float make_factor(int token, int norm, bool exists) const {
    constexpr int kSharing = kLanes < kNarrowLanes ? kLanes : kNarrowLanes;
    constexpr int kEach = kNarrowLanes / kSharing;
    const int groups = exists ? params_.groups() / Source::kNorms : 0;
    const float* const squares = squares_of(token, norm);
    const int first = static_cast<int>(threadIdx.x % kSharing) * kEach;
    float sums[kEach] = {};
    // Mostly one round, whose loads do not wait for each other.
    constexpr int kAtOnce = 4;
#pragma unroll 1
    for (int round = 0; round < groups; round += kAtOnce * kNarrowLanes) {
      float parts[kAtOnce][kEach];
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
          const int group = round + n * kNarrowLanes + first + i;
          parts[n][i] = group < groups ? squares[group] : 0.0F;
        }
      }
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
#pragma unroll
        for (int i = 0; i < kEach; ++i) sums[i] += parts[n][i];
      }
    }
    return source_.factor(group_sum(sums));
  }
  __device__ __forceinline__ float* squares_of(int token, int norm) const {
    return squares_ + (token * Source::kNorms + norm) * (params_.groups() / Source::kNorms);
  }

  const Params& params_;
  const CtaWork& work_;
  const Source& source_;
  float* squares_;
  uint64_t* squares_arrived_;

 private:
  // Clusters take turns, a token's first one after the token before's.
  __device__ __forceinline__ int turn_of(int token) const {
    int turn = work_.cluster - token;
#pragma unroll 1
    while (turn < 0) turn += params_.clusters;
    return turn;
  }
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
