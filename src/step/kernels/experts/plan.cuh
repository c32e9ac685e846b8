// What a step's tokens need of the experts, in shared memory: items, each a distinct expert with up
// to eight of the tokens that take it, as many as the tensor core multiplies at once. Of up to eight
// tokens each has a place of its own in every item; more take the places of an item in turn, and an
// expert that more than eight take has a second item. One token's choices are its items.
#pragma once

#include "step/kernels/experts/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kItemTokens = 8;

// Items of a plan, at most: every token and choice may be one.
SLIPSTREAM_HOST_DEVICE inline int most_items(int tokens, int choices, int experts) {
  const int rows = tokens * choices;
  const int repeated = tokens > kItemTokens ? rows / (kItemTokens + 1) : 0;
  return rows < experts + repeated ? rows : experts + repeated;
}

// A token that takes an item. Its i-th choice is row token * choices + i of everything that is made
// for chosen experts.
struct Taker {
  int row;
  int token;
  int choice;
  bool exists;  // a place without a taker stands for row 0
};

// The part of a plan that has one size.
struct PlanSets {
  static constexpr int kWords = kMaxExperts / 32;

  uint32_t chosen[kWords];    // experts
  uint32_t repeated[kWords];  // of distinct experts, those that have a second item
  int distinct;               // experts
  int items;
};

// A plan's items as a warp goes through them: how many, and the expert of each.
struct Items {
  int count;
  const uint16_t* experts;
};

// Lies in memory of a size that goes by the rows.
class Plan {
 public:
  // A multiple of 16.
  SLIPSTREAM_HOST_DEVICE static int bytes(int rows) { return (rows * kRowBytes + 15) / 16 * 16; }

  __device__ Plan(PlanSets& sets, unsigned char* memory, int tokens, const SmallDivisor& choices)
      : sets_(sets), memory_(memory), tokens_(tokens), choices_(choices) {}

  static constexpr int kWarpRows = 32;

  __device__ Items items() const { return {sets_.items, tokens_ == 1 ? chosen() : experts()}; }
  __device__ int chosen(int row) const { return chosen()[row]; }

  // Places of an item that may have takers.
  __device__ int places(int item) const {
    return tokens_ <= kItemTokens ? tokens_ : counts()[item];
  }
  __device__ Taker taker(int item, int place) const {
    return unpack(takers()[item * kItemTokens + place]);
  }

  // Before the wait. Rolled, as other loops of few rounds: how often an unrolled one goes round takes a division.
  __device__ void clear() const {
    const int threads = static_cast<int>(blockDim.x);
#pragma unroll 1
    for (int i = threadIdx.x; i < PlanSets::kWords; i += threads) {
      sets_.chosen[i] = 0;
      sets_.repeated[i] = 0;
    }
    // Takers and masks, which are neighbors. One token takes its rows in their order.
#pragma unroll 1
    for (int i = threadIdx.x; i < rows() * (kItemTokens + 1); i += threads) {
      const int row = i / kItemTokens;
      takers()[i] = tokens_ == 1 && i % kItemTokens == 0 ? pack({row, 0, row, true}) : 0;
    }
    if (threadIdx.x == 0) sets_.items = choices_.divisor;
  }

  __device__ uint16_t* chosen() const { return reinterpret_cast<uint16_t*>(masks() + rows()); }
  // Whether every warp lists the items, with a lane for each row.
  __device__ bool fits_warp() const { return tokens_ <= kItemTokens && rows() <= kWarpRows; }
  // Enters the expert of a row, that is, of one of a token's choices.
  __device__ void enter(int row, int expert) const {
    chosen()[row] = static_cast<uint16_t>(expert);
    atomicOr(&sets_.chosen[expert / 32], 1U << expert % 32);
  }

  // Of few rows each warp lists the items for itself, so that no barrier lies between the choices and
  // the warp's first weights. Items come in the order in which they are first chosen. `expert`: of the
  // lane's row, -1 where there is none; `experts`: kWarpRows of the warp's own.
  static __device__ Items list(int expert, uint16_t* experts) {
    const FirstRows rows = FirstRows::of(expert);
    if (expert >= 0 && FirstRows::is_own(rows.first))
      experts[rows.item()] = static_cast<uint16_t>(expert);
    __syncwarp();
    return {rows.items(), experts};
  }
  // One warp enters the takers of the same items; a barrier must follow.
  __device__ void take_by_lanes(int expert) const {
    const FirstRows rows = FirstRows::of(expert);
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (expert >= 0) add(rows.item(), choices_.divide(lane), lane);
  }

  // All threads of the CTA, after clear() and a barrier, and another one after the last choice has
  // been entered, where not every warp lists the items.
  __device__ void build() const {
    for (int row = threadIdx.x; row < rows(); row += static_cast<int>(blockDim.x)) collect(row);
    if (threadIdx.x == 0) sets_.items = sets_.distinct = below(sets_.chosen, kMaxExperts);
    __syncthreads();
    if (tokens_ <= kItemTokens) return;
    for (int row = threadIdx.x; row < rows(); row += static_cast<int>(blockDim.x)) list(row);
    if (threadIdx.x == 0) sets_.items += below(sets_.repeated, kMaxExperts);
    __syncthreads();
  }

 private:
  // Rows of one expert, a lane for each row: the first of them is an item.
  struct FirstRows {
    int first;        // of the lane's expert
    uint32_t firsts;  // of all

    static __device__ FirstRows of(int expert) {
      const int first = __ffs(static_cast<int>(__match_any_sync(kAllLanes, expert))) - 1;
      return {first, __ballot_sync(kAllLanes, expert >= 0 && is_own(first))};
    }
    static __device__ bool is_own(int row) { return row == static_cast<int>(threadIdx.x) % 32; }
    __device__ int item() const { return __popc(firsts & ((1U << first) - 1)); }
    __device__ int items() const { return __popc(firsts); }
  };

  // Takers, masks, chosen, experts, indices, counts.
  static constexpr int kRowBytes = 4 * kItemTokens + 4 + 2 + 2 + 2 + 1;

  __device__ int rows() const { return tokens_ * choices_.divisor; }
  __device__ uint32_t* takers() const { return reinterpret_cast<uint32_t*>(memory_); }
  // Tokens of distinct experts, as bits.
  __device__ uint32_t* masks() const { return takers() + rows() * kItemTokens; }
  __device__ uint16_t* experts() const { return chosen() + rows(); }
  // Of each row's expert among the distinct ones; of more than eight tokens.
  __device__ uint16_t* indices() const { return experts() + rows(); }
  __device__ uint8_t* counts() const { return reinterpret_cast<uint8_t*>(indices() + rows()); }

  __device__ void collect(int row) const {
    const int token = choices_.divide(row);
    const int index = below(sets_.chosen, chosen(row));
    const uint32_t before = atomicOr(&masks()[index], 1U << token);
    if (tokens_ <= kItemTokens) {
      add(index, token, row);
      if (before == 0) name(index, row);
      return;
    }
    indices()[row] = static_cast<uint16_t>(index);
    // One token finds as many others as an item holds.
    if (__popc(before) == kItemTokens) {
      atomicOr(&sets_.repeated[index / 32], 1U << index % 32);
    }
  }

  __device__ void list(int row) const {
    const int index = indices()[row];
    const uint32_t mask = masks()[index];
    const int before = __popc(mask & ((1U << choices_.divide(row)) - 1));
    int item = index;
    if (before >= kItemTokens) item = sets_.distinct + below(sets_.repeated, index);
    add(item, before % kItemTokens, row);
    if (before % kItemTokens == 0) {
      name(item, row);
      counts()[item] = static_cast<uint8_t>(min(__popc(mask) - before, kItemTokens));
    }
  }

  __device__ void add(int item, int place, int row) const {
    const int token = choices_.divide(row);
    takers()[item * kItemTokens + place] = pack({row, token, row - token * choices_.divisor, true});
  }
  // One of an item's takers says whose it is.
  __device__ void name(int item, int row) const {
    experts()[item] = static_cast<uint16_t>(chosen(row));
  }

  static __device__ uint32_t pack(const Taker& taker) {
    return static_cast<uint32_t>(taker.exists) << 31 | taker.choice << 24 | taker.token << 16 |
           taker.row;
  }
  static __device__ Taker unpack(uint32_t packed) {
    return {static_cast<int>(packed & 0xffff), static_cast<int>(packed >> 16 & 0xff),
            static_cast<int>(packed >> 24 & 0x7f), packed >> 31 != 0};
  }

  // Members of a set below `end`.
  static __device__ int below(const uint32_t (&set)[PlanSets::kWords], int end) {
    const int last = end / 32;
    int members = 0;
#pragma unroll
    for (int word = 0; word < PlanSets::kWords; ++word) {
      members += word < last ? __popc(set[word]) : 0;
    }
    return last < PlanSets::kWords ? members + __popc(set[last] & ((1U << end % 32) - 1)) : members;
  }

  PlanSets& sets_;
  unsigned char* memory_;
  int tokens_;
  const SmallDivisor& choices_;  // of a token
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
