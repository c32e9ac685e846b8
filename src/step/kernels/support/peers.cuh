// Exchange with other ranks over windows: pairs of bf16 pushed to all, and polls for what they push.
// Pushes come after the wait. Which polls may come before it, docs/ranks.md says ("Polls before the
// wait").
//
// The value is the flag: a pair is there once it is not kEmptyPair. No fence, no counter;
// step/windows.h says why that is enough.
#pragma once

#include "cuda/convert.cuh"
#include "cuda/memory.cuh"
#include "cuda/system_memory.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/peers.h"

namespace slipstream::step::kernels {

// Eight or four neighboring columns of a rank.
template <int kCount>
struct Pairs;
template <>
struct Pairs<8> {
  uint4 words = {kEmptyPair, kEmptyPair, kEmptyPair, kEmptyPair};

  static __device__ Pairs load(const uint32_t* address) { return {cuda::load_system_16(address)}; }
  __device__ void store(uint32_t* address) const { cuda::store_system_16(address, words); }
  // Without branches.
  __device__ bool are_there() const {
    return (words.x != kEmptyPair) & (words.y != kEmptyPair) & (words.z != kEmptyPair) &
           (words.w != kEmptyPair);
  }
};
template <>
struct Pairs<4> {
  uint2 words = {kEmptyPair, kEmptyPair};

  static __device__ Pairs load(const uint32_t* address) { return {cuda::load_system_8(address)}; }
  __device__ void store(uint32_t* address) const { cuda::store_system_8(address, words); }
  __device__ bool are_there() const { return (words.x != kEmptyPair) & (words.y != kEmptyPair); }
};

// How the rows of some tiles are dealt out to threads, four neighboring rows of a token, a quad, at a time:
// neighboring threads have neighboring quads of a tile, which a link likes. Where threads are left, several
// of them make the same sums and have a part of the ranks each, which takes less time than a loop; but not
// more than half of the threads, for all of them read those sums. All numbers but the tiles' are powers of
// two, so that nothing is divided.
class QuadDeal {
 public:
  static constexpr int kRows = 4;
  static constexpr int kQuadShift = 2;  // of a tile of 16 rows

  struct Share {
    int tile;
    int token;
    int quad;
    int part;  // of the ranks: every parts()-th one from here on
  };

  // Shares that there may be.
  static __device__ int most(int tiles, int token_shift, int threads) {
    return max(tiles << (kQuadShift + token_shift), threads / 2);
  }

  QuadDeal() = default;
  // May be made before the wait. Where the part of the calling thread's first share lies is also looked up then,
  // since what is not in the constant cache takes as long as memory.
  __device__ QuadDeal(const PeerOffsets& peers, int tiles, int token_shift, int threads, int first)
      : token_shift_(token_shift), all_(tiles << (kQuadShift + token_shift)) {
    if (peers.ranks == 0) return;
    while (all_ * 4 <= threads && (1 << part_shift_) < peers.ranks) {
      all_ *= 2;
      ++part_shift_;
    }
    const int part = share(first).part;
    if (part < peers.ranks) first_offset_ = peers.bytes[part];
  }

  __device__ int all() const { return all_; }
  __device__ int parts() const { return 1 << part_shift_; }
  __device__ Share share(int index) const {
    const int rest = index >> kQuadShift;
    return {rest >> (token_shift_ + part_shift_), rest & ((1 << token_shift_) - 1),
            index & ((1 << kQuadShift) - 1), rest >> token_shift_ & (parts() - 1)};
  }

  // Stores four neighboring results at `own`, an address in this rank's window, in the windows of a
  // part of the ranks. Parts are only made where a thread has one share at most.
  __device__ void push(const PeerOffsets& peers, int part, __nv_bfloat16* own,
                       float4 values) const {
    const uint2 words = {sent_pair(values.x, values.y), sent_pair(values.z, values.w)};
    auto* const address = reinterpret_cast<std::byte*>(own);
    if (part < peers.ranks) cuda::store_system_8(address + first_offset_, words);
    constexpr int kAtOnce = 4;
#pragma unroll 1
    for (int first = part + parts(); first < peers.ranks; first += kAtOnce * parts()) {
      int64_t offsets[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        offsets[i] = peers.bytes[min(first + i * parts(), kMaxRanks - 1)];
      }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        if (first + i * parts() < peers.ranks) {
          cuda::store_system_8(address + offsets[i], words);
        }
      }
    }
  }

  __device__ void settle() const {
    cuda::settle(all_, part_shift_, static_cast<int>(first_offset_));
  }

 private:
  static __device__ uint32_t sent_pair(float low, float high) {
    const uint32_t pair = cuda::pack_pair<DType::kBFloat16>(low, high);
    return pair == kEmptyPair ? 0 : pair;
  }

  int token_shift_ = 0;
  int part_shift_ = 0;
  int all_ = 0;  // shares; those of tokens that do not exist are among them
  int64_t first_offset_ = 0;
};

// What a poll waits for.
struct Awaited {
  int exchange;
  int round;
  int token;
  int column;
};

// How long one thread's poll goes on.
class Patience {
 public:
  __device__ explicit Patience(const PollLimit& limit) : limit_(limit) {}

  // After a round in which rank silent() had not sent: whether there is a next one.
  template <class Silent>
  __device__ bool lasts(const Silent& silent, const Awaited& awaited) {
    if (++rounds_ % kRoundsPerLook != 0) return true;
    WindowHead* const head = limit_.head.get();
    if (cuda::load_system_4(&head->broken) != 0) return false;
    const uint64_t now = cuda::nanoseconds();
    if (rounds_ == kRoundsPerLook) start_ = now;
    if (now - start_ < limit_.nanoseconds) return true;
    if (atomicCAS(&head->broken, 0U, 1U) == 0) write(silent(), awaited);
    return false;
  }

 private:
  static constexpr uint32_t kRoundsPerLook = 64;

  __device__ void write(int silent, const Awaited& awaited) const {
    PollRecord* const record = limit_.record.get();
    const auto store = [](int32_t& field, int value) {
      cuda::store_system_4(&field, static_cast<uint32_t>(value));
    };
    store(record->silent_rank, silent);
    store(record->step, static_cast<int>(cuda::load_system_4(&limit_.head.get()->epochs[0])));
    store(record->exchange, awaited.exchange);
    store(record->round, awaited.round);
    store(record->token, awaited.token);
    store(record->column, awaited.column);
    cuda::store_system_last(&record->happened, 1);
  }

  const PollLimit& limit_;
  uint32_t rounds_ = 0;
  uint64_t start_ = 0;
};

// Asks for a word of each rank: load(rank). `exact`: there are `most` ranks, which saves predicates in
// what is executed once per launch.
template <int most, bool exact, class Word, class Load>
__device__ __forceinline__ void ask_for_words(int ranks, const Load& load, Word (&words)[most]) {
#pragma unroll
  for (int rank = 0; rank < most; ++rank) {
    if (exact || rank < ranks) words[rank] = load(rank);
  }
}

template <int most, bool exact, class Word, class IsThere>
__device__ __forceinline__ bool are_there(int ranks, const IsThere& is_there,
                                          const Word (&words)[most]) {
  bool all = true;
#pragma unroll
  for (int rank = 0; rank < most; ++rank) {
    all &= !(exact || rank < ranks) | is_there(words[rank]);  // without branches
  }
  return all;
}

// Asks again for words until all are there, is_there(word), or patience is over.
template <int most, bool exact, class Word, class Load, class IsThere>
__device__ __forceinline__ void wait_for_words(int ranks, const PollLimit& limit,
                                               const Awaited& awaited, const Load& load,
                                               const IsThere& is_there, Word (&words)[most]) {
  if (are_there<most, exact>(ranks, is_there, words)) [[likely]]
    return;
  Patience patience(limit);
#pragma unroll 1
  do {
    const auto silent = [&] {
      // Another look, so that nothing of the first has to be kept.
      int rank = 0;
#pragma unroll 1
      while (rank + 1 < ranks && is_there(load(rank))) ++rank;
      return rank;
    };
    if (!patience.lasts(silent, awaited)) return;
    ask_for_words<most, exact>(ranks, load, words);
  } while (!are_there<most, exact>(ranks, is_there, words));
}

// What kRanks ranks, or any number if that is 0, have sent of neighboring columns of a token. Sent for
// apart from being waited for, so that others can be sent for in between.
template <int kRanks, int kCount>
class RankShares {
 public:
  // `pairs`: where those of the first rank lie.
  __device__ __forceinline__ void ask(const PolledRows& rows, const uint32_t* pairs) {
    ask_for_words<kMost, kExact>(rows.ranks, loader(pairs), parts_);
  }

  // Added up in the order of the ranks, once they are there.
  __device__ __forceinline__ void add_up(const PolledRows& rows, const uint32_t* pairs,
                                         const Awaited& awaited, float (&sums)[kCount]) {
    wait_for_words<kMost, kExact>(
        rows.ranks, rows.limit, awaited, loader(pairs),
        [](const Pairs<kCount>& part) { return part.are_there(); }, parts_);
    cuda::unpack<DType::kBFloat16>(parts_[0].words, sums);
#pragma unroll
    for (int rank = 1; rank < kMost; ++rank) {
      float more[kCount];
      cuda::unpack<DType::kBFloat16>(parts_[rank].words, more);
#pragma unroll
      for (int i = 0; i < kCount; ++i) sums[i] += more[i];
    }
  }

 private:
  static constexpr bool kExact = kRanks != 0;
  static constexpr int kMost = kExact ? kRanks : kMaxRanks;

  static __device__ __forceinline__ auto loader(const uint32_t* pairs) {
    return [pairs](int rank) { return Pairs<kCount>::load(pairs + rank * kSourceStride); };
  }

  Pairs<kCount> parts_[kMost];  // empty ones: adding minus zero changes nothing
};

// Returns when a word of each of kRanks ranks is there, each of another tile of rows, which says that
// most others are; or after a while. That is an eighth of what a poll of eight ranks asks for, so little
// that the launch before, which may still be streaming its weights, does not notice. After each look that has found
// some of them, but not all, it calls between(). By all lanes of a warp, which have neighboring columns; `pairs`:
// where those of the calling lane and the first rank lie.
template <int kRanks, int kCount, class Between>
__device__ __forceinline__ void look_out(const uint32_t* pairs, const Between& between) {
  static_assert(kRanks > 0);
  constexpr int kMostLooks = 256;
  const uint32_t* const word = pairs + lane_index() / (32 / kRanks) * kSourceStride;
#pragma unroll 1
  for (int look = 0; look < kMostLooks; ++look) {
    const uint32_t found = __ballot_sync(kAllLanes, Pairs<kCount>::load(word).are_there());
    if (found == kAllLanes) return;
    if (found != 0) between();
  }
}

// Empties neighboring columns of what every `step`-th rank from `first` on sent for a token.
template <int kCount>
__device__ __forceinline__ void empty_columns(pdl::Produced<uint32_t> pairs, int ranks, int first,
                                              int step, int64_t pair) {
#pragma unroll 1
  for (int rank = first; rank < ranks; rank += step) {
    Pairs<kCount>{}.store(pairs.get() + rank * kSourceStride + pair);
  }
}

}  // namespace slipstream::step::kernels
