// Exchange with other ranks over windows: pairs of bf16 pushed to all, and polls for what they push.
// Everything here lies after the wait.
//
// The value is the flag: a pair is there once it is not kEmptyPair. No fence, no counter;
// step/windows.h says why that is enough.
#pragma once

#include "cuda/convert.cuh"
#include "cuda/system_memory.cuh"
#include "step/kernels/support/peers.h"

namespace slipstream::step::kernels {

// Stores two neighboring results at `own`, an address in this rank's window, in every rank's.
__device__ __forceinline__ void push_pair(const PeerOffsets& peers, __nv_bfloat16* own,
                                          float2 values) {
  uint32_t pair = cuda::pack_pair<DType::kBFloat16>(values.x, values.y);
  if (pair == kEmptyPair) pair = 0;
#pragma unroll 1
  for (int rank = 0; rank < peers.ranks; ++rank) {
    cuda::store_system_4(reinterpret_cast<std::byte*>(own) + peers.bytes[rank], pair);
  }
}

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

  // After a round in which rank `silent` had not sent: whether there is a next one.
  __device__ bool lasts(int silent, const Awaited& awaited) {
    if (++rounds_ % kRoundsPerLook != 0) return true;
    WindowHead* const head = limit_.head.get();
    if (cuda::load_system_4(&head->broken) != 0) return false;
    const uint64_t now = cuda::nanoseconds();
    if (rounds_ == kRoundsPerLook) start_ = now;
    if (now - start_ < limit_.nanoseconds) return true;
    if (atomicCAS(&head->broken, 0U, 1U) == 0) write(silent, awaited);
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
// loads of a round are in flight together.
template <class Word, class Load, class IsThere>
__device__ __forceinline__ void poll(int ranks, const PollLimit& limit, const Awaited& awaited,
                                     const Load& load, const IsThere& is_there,
                                     Word (&words)[kMaxRanks]) {
#pragma unroll
  for (int rank = 0; rank < kMaxRanks; ++rank) {
    if (rank < ranks) words[rank] = load(rank);
  }
  Patience patience(limit);
#pragma unroll 1
  while (true) {
    int silent = -1;
#pragma unroll
    for (int rank = 0; rank < kMaxRanks; ++rank) {
      if (rank >= ranks || is_there(words[rank])) continue;
      silent = rank;
      words[rank] = load(rank);
    }
    if (silent < 0 || !patience.lasts(silent, awaited)) return;
  }
}

// Eight neighboring columns of a token, added up in the order of the ranks. `pair`: where they lie
// among one rank's pairs.
__device__ __forceinline__ void poll_sums(const PolledRows& rows, int64_t pair, int token,
                                          int column, float (&sums)[8]) {
  uint4 words[kMaxRanks];
  const uint32_t* const first = rows.pairs.get() + pair;
  poll(
      rows.ranks, rows.limit, {rows.exchange, 0, token, column},
      [&](int rank) { return cuda::load_system_16(first + rank * rows.source_stride); },
      [](const uint4& word) {
        return word.x != kEmptyPair && word.y != kEmptyPair && word.z != kEmptyPair &&
               word.w != kEmptyPair;
      },
      words);
  cuda::unpack<DType::kBFloat16>(words[0], sums);
#pragma unroll
  for (int rank = 1; rank < kMaxRanks; ++rank) {
    if (rank >= rows.ranks) break;
    float more[8];
    cuda::unpack<DType::kBFloat16>(words[rank], more);
#pragma unroll
    for (int i = 0; i < 8; ++i) sums[i] += more[i];
  }
}

// Empties eight neighboring columns of what all ranks sent for a token.
__device__ __forceinline__ void empty_columns(pdl::Produced<uint32_t> pairs, int ranks,
                                              int64_t source_stride, int64_t pair) {
  constexpr uint4 kEmpty{kEmptyPair, kEmptyPair, kEmptyPair, kEmptyPair};
#pragma unroll 1
  for (int rank = 0; rank < ranks; ++rank) {
    cuda::store_system_16(pairs.get() + rank * source_stride + pair, kEmpty);
  }
}

}  // namespace slipstream::step::kernels
