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

  // Before the wait, by all threads: where the rank lies that a lane trades with is not in the constant cache.
  __device__ Agreement(const SharedVocabulary& shared, int row) : shared_(shared), row_(row) {
    if constexpr (!is_shared) return;
    offset_ = shared.peers.bytes[own_rank()];
    cuda::settle(static_cast<int>(offset_));
  }

  // After it, by all threads.
  __device__ void begin() {
    if constexpr (!is_shared) return;
    epoch_ = cuda::load_system_4(&shared_.limit.head.get()->epochs[row_]) + 1;
  }

  // One thread's number for all ranks, at `index` of a round.
  __device__ void tell(int round, int index, uint64_t value) const {
    const cuda::WordPair words = words_of(value);
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
        [&](const cuda::WordPair& pair) { return is_there(pair); }, words);
#pragma unroll
    for (int rank = 0; rank < kMaxRanks; ++rank) {
      if (rank >= ranks) break;
      combine(rank, number_of(words[rank]));
    }
  }

  // By all lanes of a warp, which have the same numbers: each rank's lane tells them to that rank, and has that
  // rank's afterwards. Lanes beyond the ranks have the last one's.
  template <int kCount>
  __device__ void trade(int round, uint64_t (&numbers)[kCount]) const {
    const int rank = own_rank();
    auto* told = reinterpret_cast<std::byte*>(pick(round, shared_.rank, 0)) + offset_;
    if (static_cast<int>(threadIdx.x) % 32 == rank) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        cuda::store_system_pair(told + i * sizeof(cuda::WordPair), words_of(numbers[i]));
      }
    }
    const uint64_t* const heard = pick(round, rank, 0);
    cuda::WordPair words[kCount];
    bool all = false;
    Patience patience(shared_.limit);
#pragma unroll 1
    do {
      all = true;
#pragma unroll
      for (int i = 0; i < kCount; ++i) words[i] = cuda::load_system_pair(heard + i * kPickWords);
#pragma unroll
      for (const cuda::WordPair& pair : words) all &= is_there(pair);
    } while (!all && patience.lasts([&] { return rank; }, {kSampling, round, row_, 0}));
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kCount; ++i) numbers[i] = number_of(words[i]);
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

  // Empties the rows of the step's last exchange, by all threads but those of the first warp, which has more to do.
  __device__ void empty_row() const {
    if constexpr (is_shared) {
      if (threadIdx.x < 32) return;
      for (int column = (static_cast<int>(threadIdx.x) - 32) * 8; column < shared_.hidden;
           column += (static_cast<int>(blockDim.x) - 32) * 8) {
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
  __device__ int own_rank() const {
    return min(static_cast<int>(threadIdx.x) % 32, shared_.peers.ranks - 1);
  }

  __device__ uint64_t with_epoch(uint32_t half) const { return uint64_t{epoch_} << 32 | half; }
  __device__ cuda::WordPair words_of(uint64_t number) const {
    return {with_epoch(static_cast<uint32_t>(number)),
            with_epoch(static_cast<uint32_t>(number >> 32))};
  }
  __device__ bool is_there(const cuda::WordPair& words) const {
    return (words.first >> 32 == epoch_) & (words.second >> 32 == epoch_);  // without branches
  }
  static __device__ uint64_t number_of(const cuda::WordPair& words) {
    return (words.first & 0xffffffffU) | words.second << 32;
  }

  __device__ uint64_t* pick(int round, int source, int index) const {
    const int64_t row = (int64_t{round} * shared_.peers.ranks + source) * kMaxRows + row_;
    return shared_.picks.get() + (row * kPicks + index) * kPickWords;
  }

  const SharedVocabulary& shared_;
  int row_;
  uint32_t epoch_ = 0;
  int64_t offset_ = 0;  // of the lane's rank
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
