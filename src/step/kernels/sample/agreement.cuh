// What ranks that share a vocabulary agree on: each tells the others a few numbers per round, and
// combines what it hears from all. All combined numbers are integers or maxima, so every rank gets
// the same, which one rank would get from the whole vocabulary.
//
// Nothing is emptied: every row has a count of its own, the epoch, of how often it was sampled, and
// a pick of another epoch is not there yet. One set of places is enough, since between two of these
// launches lies an exchange of rows, which nobody gets through before all have left the first.
#pragma once

#include "step/kernels/sample/params.h"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// Of one row. Of one rank alone it does nothing, and costs nothing: it is another instance of the
// kernel, for the words of eight ranks in flight take registers.
template <bool is_shared>
class Agreement {
 public:
  static constexpr bool kIsShared = is_shared;

  // After the wait, by all threads.
  __device__ Agreement(const SharedVocabulary& shared, int row) : shared_(shared), row_(row) {
    if constexpr (!is_shared) return;
    epoch_ = cuda::load_system_4(&shared.limit.head.get()->epochs[row]) + 1;
  }

  // One thread's number for all ranks, at `index` of a round.
  __device__ void tell(int round, int index, uint64_t value) const {
    const cuda::WordPair words = {with_epoch(static_cast<uint32_t>(value)),
                                  with_epoch(static_cast<uint32_t>(value >> 32))};
    auto* own = reinterpret_cast<std::byte*>(pick(round, shared_.rank, index));
#pragma unroll 1
    for (int rank = 0; rank < shared_.peers.ranks; ++rank) {
      cuda::store_system_pair(own + shared_.peers.bytes[rank], words);
    }
  }

  // One thread's: combine(rank, number) for what each rank has told, its own included.
  template <class Combine>
  __device__ void hear(int round, int index, const Combine& combine) const {
    const int ranks = shared_.peers.ranks;
    const auto load = [&](int rank) { return cuda::load_system_pair(pick(round, rank, index)); };
    cuda::WordPair words[kMaxRanks];
    ask_for_words<kMaxRanks, false>(ranks, load, words);
    wait_for_words<kMaxRanks, false>(
        ranks, shared_.limit, {kSampling, round, row_, index}, load,
        [&](const cuda::WordPair& pair) {
          return pair.first >> 32 == epoch_ && pair.second >> 32 == epoch_;
        },
        words);
#pragma unroll
    for (int rank = 0; rank < kMaxRanks; ++rank) {
      if (rank >= ranks) break;
      combine(rank, (words[rank].first & 0xffffffffU) | words[rank].second << 32);
    }
  }

  // Adds the histograms of all ranks, by all threads.
  template <class Weight>
  __device__ void add_up(int round, Weight (&histogram)[cuda::kDigits]) const {
    static_assert(cuda::kDigits <= kPicks);
    if constexpr (is_shared) {
      for (int i = threadIdx.x; i < cuda::kDigits; i += static_cast<int>(blockDim.x)) {
        tell(round, i, static_cast<uint64_t>(histogram[i]));
        Weight sum = 0;
        hear(round, i, [&](int /*rank*/, uint64_t value) { sum += static_cast<Weight>(value); });
        histogram[i] = sum;
      }
      __syncthreads();
    }
  }

  // Empties the rows of the step's last exchange, by all threads.
  __device__ void empty_row() const {
    if constexpr (is_shared) {
      for (int column = static_cast<int>(threadIdx.x) * 8; column < shared_.hidden;
           column += static_cast<int>(blockDim.x) * 8) {
        empty_columns<8>(shared_.emptied, shared_.peers.ranks, 0, 1,
                         (int64_t{row_} * shared_.hidden + column) / 2);
      }
    }
  }

  // By one thread, after all others have read the epoch.
  __device__ void end() const {
    if constexpr (is_shared) cuda::store_system_4(&shared_.limit.head.get()->epochs[row_], epoch_);
  }

 private:
  __device__ uint64_t with_epoch(uint32_t half) const { return uint64_t{epoch_} << 32 | half; }

  __device__ uint64_t* pick(int round, int source, int index) const {
    const int64_t row = (int64_t{round} * shared_.peers.ranks + source) * kMaxRows + row_;
    return shared_.picks.get() + (row * kPicks + index) * kPickWords;
  }

  const SharedVocabulary& shared_;
  int row_;
  uint32_t epoch_ = 0;
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
