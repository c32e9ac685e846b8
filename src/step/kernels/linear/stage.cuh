// Brings a CTA's slice of the activations from their source into shared memory.
//
// A place is a group of columns of a token: it is loaded, squared, normalized, quantized and stored.
// Where there are few, each has 16 neighboring lanes, eight columns per lane, which takes the shortest
// time; up to twice as many have eight lanes each. What has to be polled for, and added up over the
// ranks, has 32 lanes of four columns where these suffice. Where there are more, each has four lanes, 32
// columns per lane, in one round or a few: that takes the fewest instructions, since those for each
// place are as many as those for each column. All rounds but the last load their places a second time
// when the norm's factors are known, mostly from L1.
//
// Where all places go in one round, what has to be polled for is polled for before the wait: the launch
// before pushes it, and its end need not be waited for (docs/ranks.md, "Polls before the wait"). The launch's own
// weights are then sent for bit by bit: words that another CTA still looks out for would queue behind them.
//
// A norm needs the sum of squares of the whole token: each CTA of a cluster sends those of its
// groups to all others, and everybody adds them in the same order.
#pragma once

#include <type_traits>

#include "step/kernels/linear/stager_base.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// `kLanes` lanes for each place, all places at once.
template <class Source, int kLanes, class Params = LinearParams>
class OneRoundStager
    : StagerBase<Source, Params, Source::kPolls && std::is_same_v<Params, LinearParams>> {
 public:
  static constexpr bool kPollsEarly = Source::kPolls && std::is_same_v<Params, LinearParams>;
  using Base = StagerBase<Source, Params, kPollsEarly>;

  template <class... Arguments>
  __device__ __forceinline__ explicit OneRoundStager(Arguments&&... arguments)
      : Base(arguments...), own_(own_share()), address_(this->source_.address(own_.place)) {}

  // Before the wait: constants, and where the activations lie.
  __device__ __forceinline__ void prefetch() {
    cuda::settle(own_.place.token, own_.group, own_.place.column, address_);
    if constexpr (Source::kNormalizes && !kLoadsGammaLate) load_gamma();
  }

  // After the wait, or before it if kPollsEarly. The CTA has yet to meet before it reads the operands.
  // meanwhile(slots) sends for the weights of each warp's first slots, as far as that has not been done. Once all
  // squares are there no CTA of the cluster looks out for anything any more.
  template <class Meanwhile>
  __device__ __forceinline__ void stage(const Operands& operands, const Meanwhile& meanwhile) {
    Columns values;
    if constexpr (kPollsEarly) {
      if (own_.exists) this->template clean_up<kColumns>(own_);
    }
    this->load(own_, address_, values, meanwhile);
    if constexpr (Source::kNormalizes) {
      this->square(own_, values);
      if constexpr (kPollsEarly) {
        meanwhile(half_of_ring());
      } else if constexpr (Source::kPolls) {
        meanwhile(kMaxRingSlots);
      }
      if constexpr (kLoadsGammaLate) load_gamma();
      if constexpr (kPollsEarly) {
        if (own_.exists) this->store_sums(own_, values);
      }
      this->meet();
      if constexpr (kPollsEarly) meanwhile(kMaxRingSlots);
      const float factor = this->template make_factor<kLanes>(
          own_.place.token, this->source_.norm_of(own_.place.column), true);
#pragma unroll
      for (int i = 0; i < kUnits; ++i) {
        if (own_.exists) {
          this->source_.template finish<kUnit>(
              own_.place.advanced(i * kUnit), this->unit(gamma_, i), factor, this->unit(values, i));
        }
      }
    }
    operands.store(own_.group, own_.place.token, values, this->params_.ue8m0, own_.exists,
                   this->code_sink(own_));
  }

 private:
  static constexpr int kColumns = kGroup / kLanes;
  static constexpr int kUnit = Base::unit_of(kColumns);
  static constexpr int kUnits = kColumns / kUnit;
  using Columns = float[kColumns];
  using Share = typename Base::Share;
  // Words of 16 columns on their way take all registers.
  static constexpr bool kLoadsGammaLate = Source::kPolls && kUnits > 1;

  // Slots of each warp, of those that its weights take.
  __device__ __forceinline__ int half_of_ring() const {
    const LinearMemory& memory = this->params_.memory;
    return min(memory.ring_slots, memory.warp_chunks) / 2;
  }

  __device__ __forceinline__ void load_gamma() {
#pragma unroll
    for (int i = 0; i < kUnits; ++i) {
      this->source_.template load_gamma<kUnit>(own_.place.column + i * kUnit,
                                               this->unit(gamma_, i));
    }
  }

  __device__ __forceinline__ Share own_share() const {
    int token = 0;
    int group = static_cast<int>(threadIdx.x) / kLanes;
    if constexpr (std::is_same_v<Params, LinearParams>) {
#pragma unroll 1
      while (group >= this->work_.groups) {
        group -= this->work_.groups;
        ++token;
      }
    } else {
      token = this->work_.cluster;  // one each
    }
    return this->share(token, group, static_cast<int>(threadIdx.x) % kLanes * kColumns);
  }

  Share own_;
  typename Source::Address address_;
  Columns gamma_ = {};
};

// Four lanes for each place, in rounds.
template <class Source>
class WideStager : StagerBase<Source, LinearParams, false> {
 public:
  static constexpr bool kPollsEarly = false;
  using Base = StagerBase<Source, LinearParams, false>;

  template <class... Arguments>
  __device__ __forceinline__ explicit WideStager(Arguments&&... arguments) : Base(arguments...) {}

  __device__ __forceinline__ void prefetch() {}

  // After the wait. The CTA has yet to meet before it reads the operands.
  template <class Meanwhile>
  __device__ __forceinline__ void stage(const Operands& operands, const Meanwhile& meanwhile) {
    Wide values;
    Share own = share_of(0);
    load(own, values, meanwhile);
    const int rounds = round_count();
    if constexpr (Source::kNormalizes) {
#pragma unroll 1
      for (int round = 1;; ++round) {
        this->square(own, values);
        if (round == rounds) break;
        own = share_of(round);
        load(own, values, [](int /*slots*/) {});
      }
      if constexpr (Source::kPolls) meanwhile(kMaxRingSlots);
      this->meet();
      make_factors();
    }
    // The one that is held, then the others.
#pragma unroll 1
    for (int left = rounds - 1;; --left) {
      finish(own, values, operands);
      if (left == 0) break;
      own = share_of(Source::kNormalizes ? left - 1 : left);
      load(own, values, [](int /*slots*/) {});
    }
  }

 private:
  static constexpr int kLanes = kWideLanes;
  static constexpr int kEights = kNarrowLanes / kLanes;
  static constexpr int kPlaces = kThreads / kLanes;  // of a round
  using Wide = float[kEights * 8];
  using Share = typename Base::Share;

  __device__ __forceinline__ Share share_of(int round) const {
    const int index = round * kPlaces + static_cast<int>(threadIdx.x) / kLanes;
    const int shift = this->params_.token_shift;
    return this->share(index & ((1 << shift) - 1), index >> shift,
                       static_cast<int>(threadIdx.x) % kLanes * kEights * 8);
  }
  __device__ __forceinline__ int round_count() const {
    return ((this->work_.groups << this->params_.token_shift) + kPlaces - 1) / kPlaces;
  }

  template <class Meanwhile>
  __device__ __forceinline__ void load(const Share& own, Wide& values,
                                       const Meanwhile& meanwhile) const {
    Base::load(own, this->source_.address(own.place), values, meanwhile);
  }

  // All tokens' factors, each in the place of the first of its squares.
  __device__ __forceinline__ void make_factors() const {
    static_assert(kThreads / kNarrowLanes == kMaxRows);
    const int token = static_cast<int>(threadIdx.x) / kNarrowLanes;
    const bool exists = token < this->params_.tokens;
#pragma unroll
    for (int norm = 0; norm < Source::kNorms; ++norm) {
      const float factor = this->template make_factor<kNarrowLanes>(token, norm, exists);
      __syncwarp();  // the squares have been read
      if (exists && threadIdx.x % kNarrowLanes == 0) *this->squares_of(token, norm) = factor;
    }
    __syncthreads();
  }

  // What is loaded, as the tensor core's operand.
  __device__ __forceinline__ void finish(const Share& own, Wide& values,
                                         const Operands& operands) const {
    if constexpr (Source::kNormalizes) {
      const float factor =
          *this->squares_of(own.place.token, this->source_.norm_of(own.place.column));
#pragma unroll
      for (int i = 0; i < kEights; ++i) {
        Eight gamma;
        this->source_.template load_gamma<8>(own.place.column + i * 8, gamma);
        if (own.exists) {
          this->source_.template finish<8>(own.place.advanced(i * 8), gamma, factor,
                                           this->unit(values, i));
        }
      }
    }
    operands.store(own.group, own.place.token, values, this->params_.ue8m0, own.exists,
                   this->code_sink(own));
  }
};

// Copies what lies ready.
class OperandCopier {
 public:
  static constexpr bool kPollsEarly = false;

  __device__ __forceinline__ OperandCopier(const LinearParams& params, const CtaWork& work,
                                           const PreparedSource& source, float* /*squares*/,
                                           uint64_t* arrived)
      : image_(params.groups(), params.tokens), work_(work), source_(source), arrived_(arrived) {}

  __device__ __forceinline__ void prefetch() {}

  template <class Meanwhile>
  __device__ __forceinline__ void stage(const Operands& operands, const Meanwhile& meanwhile) {
    if (threadIdx.x == 0) {
      operands.copy(image_, source_.operands(), work_.first_group, work_.groups, arrived_);
    }
    meanwhile(kMaxRingSlots);
    cuda::wait_barrier(arrived_, 0);
  }

 private:
  OperandImage image_;
  const CtaWork& work_;
  const PreparedSource& source_;
  uint64_t* arrived_;
};

template <class Source, Breadth kBreadth>
struct StagerOf {
  using Type = std::conditional_t<
      kBreadth == Breadth::kFine, OneRoundStager<Source, kFineLanes>,
      std::conditional_t<
          kBreadth == Breadth::kNarrow, OneRoundStager<Source, kNarrowLanes>,
          std::conditional_t<kBreadth == Breadth::kMiddle, OneRoundStager<Source, kMiddleLanes>,
                             WideStager<Source>>>>;
};
template <Breadth kBreadth>
struct StagerOf<PreparedSource, kBreadth> {
  using Type = OperandCopier;
};
template <class Source, Breadth kBreadth>
using Stager = typename StagerOf<Source, kBreadth>::Type;

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
