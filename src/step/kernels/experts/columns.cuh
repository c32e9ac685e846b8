// The columns of a step's products with the weights of chosen and shared experts: rows of activations
// (a token and one of its choices, or a token of the shared expert) in an order in which those of one
// expert are neighbors, so that up to eight of them are one operand of the tensor core. First come the
// shared expert's, then those of the chosen experts in ascending order, an expert's by token.
//
// Up to 32 chosen rows one warp sorts; more are sorted by all threads.
#pragma once

#include "step/kernels/experts/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kColumnTile = 8;
inline constexpr int kPieceColumns = 16;
inline constexpr int kLaneRows = 32;

// What the sum of a column is multiplied with, and where it goes, in floats.
struct ColumnShare {
  float weight;
  int target;
};

// Items are up to eight columns of one expert. Item i has columns first(i) to first(i + 1) - 1.
class Columns {
 public:
  // Of `chosen` rows and the shared expert's. A multiple of 16.
  SLIPSTREAM_HOST_DEVICE static int bytes(int chosen, int tokens) {
    return (chosen * 20 + tokens * 12 + 8 + 15) / 16 * 16;
  }
  SLIPSTREAM_HOST_DEVICE static int shared_items(int tokens) {
    return (tokens + kColumnTile - 1) / kColumnTile;
  }
  static bool fits_lanes(int tokens, int choices) {
    return tokens <= kColumnTile && tokens * choices <= kLaneRows;
  }

  __device__ Columns(const DownLaunch& params, unsigned char* memory)
      : params_(params),
        chosen_(params.tokens * params.choices_per_token),
        shares_(reinterpret_cast<ColumnShare*>(memory)),
        items_(reinterpret_cast<uint32_t*>(shares_ + chosen_ + params.tokens)),
        keys_(items_ + chosen_ + params.tokens + 2),
        columns_(reinterpret_cast<uint16_t*>(keys_ + chosen_)) {}

  __device__ ColumnShare share(int column) const { return shares_[column]; }
  // Of a chosen row. The shared expert's have their tokens' numbers.
  __device__ int column(int row) const { return columns_[row]; }
  __device__ int first(int item) const { return static_cast<int>(items_[item] & 0xffff); }
  // Those of the shared expert end where they do, while others are still sorted.
  __device__ int end(int item) const {
    const bool is_last_shared = item + 1 == shared_items(params_.tokens);
    return is_last_shared ? params_.tokens : first(item + 1);
  }
  __device__ int expert(int item) const { return static_cast<int>(items_[item] >> 16); }
  __device__ int count() const { return static_cast<int>(keys_[-1]); }

  // Before the wait, by one warp: the shared expert's.
  __device__ void add_shared() const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (lane < params_.tokens) shares_[lane] = {1.0F, lane * params_.memory.token_stride};
    if (lane < shared_items(params_.tokens)) {
      items_[lane] = static_cast<uint32_t>(lane * kColumnTile);
    }
  }

  // After the wait, by one warp: a lane for each row.
  __device__ ExpertChoice lane_choice() const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    return lane < chosen_ ? params_.choices.get()[lane] : ExpertChoice{-1, 0};
  }
  // The column of the lane's row, and the items, whose number it gives.
  __device__ int sort_lanes(const ExpertChoice& choice) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const uint32_t before = (1U << lane) - 1;
    const uint32_t same = __match_any_sync(kAllLanes, choice.expert);
    const int first = __ffs(static_cast<int>(same)) - 1;
    const bool is_first = choice.expert >= 0 && first == lane;
    const uint32_t firsts = __ballot_sync(kAllLanes, is_first);
    const int count = is_first ? __popc(same) : 0;
    int end = count;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const int other = __shfl_up_sync(kAllLanes, end, distance);
      if (lane >= distance) end += other;
    }
    const int column =
        params_.tokens + __shfl_sync(kAllLanes, end - count, first) + __popc(same & before);
    const int shared = shared_items(params_.tokens);
    if (choice.expert >= 0) columns_[lane] = static_cast<uint16_t>(column);
    if (is_first) {
      items_[shared + __popc(firsts & before)] =
          static_cast<uint32_t>(choice.expert) << 16 | column;
    }
    __syncwarp();
    return shared + __popc(firsts);
  }
  __device__ void finish_lanes(const ExpertChoice& choice, int items) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (lane < chosen_) add_share(lane, columns_[lane], choice.weight);
    if (lane == 0) close(items);
  }

  // The same by all threads, with barriers between the three.
  __device__ void collect() const {
    for (int row = threadIdx.x; row < chosen_; row += static_cast<int>(blockDim.x)) {
      keys_[row] = static_cast<uint32_t>(params_.choices.get()[row].expert) << 16 | row;
    }
  }
  __device__ void sort() const {
    for (int row = threadIdx.x; row < chosen_; row += static_cast<int>(blockDim.x)) {
      const uint32_t own = keys_[row];
      const uint32_t first = own & 0xffff0000U;
      int column = 0;
      int start = 0;
#pragma unroll 4
      for (int other = 0; other < chosen_; ++other) {
        const uint32_t key = keys_[other];
        column += static_cast<int>(key < own);
        start += static_cast<int>(key < first);
      }
      const bool begins = (column - start) % kColumnTile == 0;
      column += params_.tokens;
      columns_[row] = static_cast<uint16_t>(column);
      const ExpertChoice choice = params_.choices.get()[row];
      add_share(row, column, choice.weight);
      heads()[column - params_.tokens] =
          begins ? static_cast<uint32_t>(choice.expert) << 16 | column : kNoHead;
    }
  }
  // By one warp.
  __device__ int list() const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    int items = shared_items(params_.tokens);
#pragma unroll 1
    for (int base = 0; base < chosen_; base += 32) {
      const uint32_t head = base + lane < chosen_ ? heads()[base + lane] : kNoHead;
      const uint32_t begins = __ballot_sync(kAllLanes, head != kNoHead);
      __syncwarp();
      if (head != kNoHead) items_[items + __popc(begins & ((1U << lane) - 1))] = head;
      __syncwarp();
      items += __popc(begins);
    }
    if (lane == 0) close(items);
    return items;
  }

 private:
  static constexpr uint32_t kNoHead = 0xffffffffU;

  // Heads lie where items will, which are not more.
  __device__ uint32_t* heads() const { return items_ + shared_items(params_.tokens); }
  __device__ void close(int items) const {
    items_[items] = static_cast<uint32_t>(chosen_ + params_.tokens);
    keys_[-1] = static_cast<uint32_t>(items);
  }
  __device__ void add_share(int row, int column, float weight) const {
    const int token = params_.per_token.divide(row);
    const int choice = row - token * params_.choices_per_token;
    shares_[column] = {
        weight, (1 + choice) * params_.memory.place_stride + token * params_.memory.token_stride};
  }

  const DownLaunch& params_;
  int chosen_;
  ColumnShare* shares_;  // of each column
  uint32_t* items_;      // expert << 16 | first column
  uint32_t* keys_;       // expert << 16 | row
  uint16_t* columns_;    // of each chosen row
};

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
