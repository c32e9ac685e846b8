// Exchange with other ranks over windows: pairs of bf16 pushed to all, and polls for what they push.
// Everything here but the dealing out lies after the wait.
//
// The value is the flag: a pair is there once it is not kEmptyPair. No fence, no counter;
// step/windows.h says why that is enough.
#pragma once

#include "cuda/convert.cuh"
#include "cuda/memory.cuh"
#include "cuda/system_memory.cuh"
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

// How the pairs of rows of some tiles are dealt out to threads: neighboring ones have neighboring
// pairs of a tile, which a link likes. Where threads are left, several of them make the same sums and
// have a part of the ranks each, which takes less time than a loop. All numbers but the tiles' are
// powers of two, so that nothing is divided.
class PairDeal {
 public:
  static constexpr int kPairShift = 3;  // of a tile of 16 rows

  struct Share {
    int tile;
    int token;
    int pair;
    int part;  // of the ranks: every parts()-th one from here on
  };

  PairDeal() = default;
  // May be made before the wait. The calling thread's first part is also looked up then, since what
  // is not in the constant cache takes as long as memory.
  __device__ PairDeal(const PeerOffsets& peers, int tiles, int token_shift, int threads)
      : token_shift_(token_shift), all_(tiles << (kPairShift + token_shift)) {
    if (peers.ranks == 0) return;
    while (all_ * 2 <= threads && (1 << part_shift_) < peers.ranks) {
      all_ *= 2;
      ++part_shift_;
    }
    const int part = share(static_cast<int>(threadIdx.x)).part;
    if (part < peers.ranks) first_offset_ = peers.bytes[part];
  }

  __device__ int all() const { return all_; }
  __device__ int parts() const { return 1 << part_shift_; }
  __device__ Share share(int index) const {
    const int rest = index >> kPairShift;
    return {rest >> (token_shift_ + part_shift_), rest & ((1 << token_shift_) - 1),
            index & ((1 << kPairShift) - 1), rest >> token_shift_ & (parts() - 1)};
  }

  // Stores two neighboring results at `own`, an address in this rank's window, in the windows of a
  // part of the ranks. Parts are only made where a thread has one share at most.
  __device__ void push(const PeerOffsets& peers, int part, __nv_bfloat16* own,
                       float2 values) const {
    uint32_t pair = cuda::pack_pair<DType::kBFloat16>(values.x, values.y);
    if (pair == kEmptyPair) pair = 0;
    auto* const address = reinterpret_cast<std::byte*>(own);
    if (part < peers.ranks) cuda::store_system_4(address + first_offset_, pair);
#pragma unroll 4
    for (int rank = part + parts(); rank < peers.ranks; rank += parts()) {
      cuda::store_system_4(address + peers.bytes[rank], pair);
    }
  }

  __device__ void settle() const {
    cuda::settle(all_, part_shift_, static_cast<int>(first_offset_));
  }

 private:
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

// Reads a word of each rank until all are there or patience is over: load(rank), is_there(word). The
// loads of a round are in flight together. `exact`: there are `most` ranks, which saves predicates in
// what is executed once per launch.
template <int most, bool exact, class Word, class Load, class IsThere>
__device__ __forceinline__ void poll(int ranks, const PollLimit& limit, const Awaited& awaited,
                                     const Load& load, const IsThere& is_there,
                                     Word (&words)[most]) {
  const auto exists = [&](int rank) { return exact || rank < ranks; };
  Patience patience(limit);
#pragma unroll 1
  while (true) {
#pragma unroll
    for (int rank = 0; rank < most; ++rank) {
      if (exists(rank)) words[rank] = load(rank);
    }
    bool all = true;
#pragma unroll
    for (int rank = 0; rank < most; ++rank) {
      all &= !exists(rank) | is_there(words[rank]);  // without branches
    }
    if (all) return;
    const auto silent = [&] {
      // Another look, so that nothing of the first has to be kept.
      int rank = 0;
#pragma unroll 1
      while (rank + 1 < ranks && is_there(load(rank))) ++rank;
      return rank;
    };
    if (!patience.lasts(silent, awaited)) return;
  }
}

// Columns of each of `most` ranks, or of fewer, added up in the order of the ranks.
template <int most, bool exact, int kCount>
__device__ __forceinline__ void poll_sums_of(const PolledRows& rows, const uint32_t* pairs,
                                             const Awaited& awaited, float (&sums)[kCount]) {
  Pairs<kCount> parts[most];  // empty ones: adding minus zero changes nothing
  poll<most, exact>(
      rows.ranks, rows.limit, awaited,
      [&](int rank) { return Pairs<kCount>::load(pairs + rank * rows.source_stride); },
      [](const Pairs<kCount>& part) { return part.are_there(); }, parts);
  cuda::unpack<DType::kBFloat16>(parts[0].words, sums);
#pragma unroll
  for (int rank = 1; rank < most; ++rank) {
    float more[kCount];
    cuda::unpack<DType::kBFloat16>(parts[rank].words, more);
#pragma unroll
    for (int i = 0; i < kCount; ++i) sums[i] += more[i];
  }
}

// Neighboring columns of a token, added up in the order of the ranks. `pairs`: where those of the
// first rank lie.
template <int kCount>
__device__ __forceinline__ void poll_sums(const PolledRows& rows, const uint32_t* pairs, int token,
                                          int column, float (&sums)[kCount]) {
  const Awaited awaited{rows.exchange, 0, token, column};
  switch (rows.ranks) {
    case 2:
      return poll_sums_of<2, true>(rows, pairs, awaited, sums);
    case 4:
      return poll_sums_of<4, true>(rows, pairs, awaited, sums);
    case kMaxRanks:
      return poll_sums_of<kMaxRanks, true>(rows, pairs, awaited, sums);
    default:
      return poll_sums_of<kMaxRanks, false>(rows, pairs, awaited, sums);
  }
}

// Empties neighboring columns of what every `step`-th rank from `first` on sent for a token.
template <int kCount>
__device__ __forceinline__ void empty_columns(pdl::Produced<uint32_t> pairs, int ranks, int first,
                                              int step, int64_t source_stride, int64_t pair) {
#pragma unroll 1
  for (int rank = first; rank < ranks; rank += step) {
    Pairs<kCount>{}.store(pairs.get() + rank * source_stride + pair);
  }
}

}  // namespace slipstream::step::kernels
