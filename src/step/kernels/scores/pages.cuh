// Pages of index keys against prepared queries.
//
// A warp of its own copies pages into a ring in shared memory, as far ahead as there are slots. The two
// warpgroups take them in turn: a warp has 16 of a page's keys in registers and gets their products
// with all heads from the tensor cores.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/warpgroup.cuh"
#include "step/kernels/scores/queries.cuh"
#include "step/kernels/scores/shares.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

inline constexpr int kWarpgroups = kWarps / 4;
inline constexpr int kMaxSlots = 8;
inline constexpr int kRowPieces = kIndexWidth / 16;  // of 16 bytes
inline constexpr int kHalfKeys = kPageSize / 2;

struct Page {
  uint4 low[kHalfKeys][kRowPieces];
  uint4 gap[kRowPieces / 2];  // eight lanes that read a row of either half use all banks
  uint4 high[kHalfKeys][kRowPieces];
  float scales[kPageSize];
};
inline constexpr uint32_t kLowBytes = sizeof(Page::low);
static_assert(kLowBytes + sizeof(Page::high) + sizeof(Page::scales) == kIndexPageBytes);

struct PageRing {
  uint64_t full[kMaxSlots];
  uint64_t empty[kMaxSlots];
  Page pages[kMaxSlots];  // of which the launch may leave the last ones out

  // By one warp, before the CTA synchronizes.
  __device__ void initialize() {
    const int slot = static_cast<int>(threadIdx.x) % 32;
    if (slot >= kMaxSlots) return;
    cuda::initialize_barrier(&full[slot], 1);
    cuda::initialize_barrier(&empty[slot], kWarps / kWarpgroups);
    cuda::publish_barriers();
  }
};

// A place in the ring, and the phase of its barriers that is waited for.
struct Slot {
  int index;
  uint32_t phase = 0;

  __device__ void advance(int count, int slots) {
    index += count;
    if (index < slots) return;
    index -= slots;
    phase ^= 1;
  }
};

// Sends for a page. By one thread.
__device__ __forceinline__ void copy_page(const ScoreParams& params, int page, PageRing& ring,
                                          int slot) {
  const std::byte* source = params.index_cache.get() + int64_t{page} * kIndexPageBytes;
  Page& target = ring.pages[slot];
  uint64_t* full = &ring.full[slot];
  cuda::publish_to_copies();  // the launch before has stored the newest keys
  cuda::expect_bytes(full, kIndexPageBytes);
  cuda::copy_bulk(target.low, source, kLowBytes, full);
  cuda::copy_bulk(target.high, source + kLowBytes, kIndexPageBytes - kLowBytes, full);
}

// The warp that copies a run's pages. Where they lie it asks before the wait, and before the CTA meets: a lane
// has every 32nd.
class PageCopier {
 public:
  PageCopier() = default;
  // The run may be empty.
  __device__ PageCopier(const ScoreParams& params, const PageRun& run)
      : pages_(params.places.pages.get() + run.sequence * params.places.pages_per_sequence +
               run.first),
        count_(run.end - run.first),
        page_(read(lane())) {}

  // As many as there are slots at once, then one after the other. After the wait.
  __device__ void copy(const ScoreParams& params, PageRing& ring) {
    if (lane() < min(count_, params.slots)) copy_page(params, page_, ring, lane());
    Slot slot{0};
#pragma unroll 1
    for (int i = params.slots; i < count_; ++i) {
      if (i % 32 == 0) page_ = read(i + lane());
      cuda::wait_barrier(&ring.empty[slot.index], slot.phase);
      if (lane() == i % 32) copy_page(params, page_, ring, slot.index);
      slot.advance(1, params.slots);
    }
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  __device__ int read(int i) const { return pages_[max(min(i, count_ - 1), 0)]; }

  const int* pages_ = nullptr;
  int count_ = 0;
  int page_ = 0;
};

// A lane's two keys of a page, which are neighbors: as operands of the products, and their scales.
struct LaneKeys {
  uint4 codes[4];
  float2 scales;

  __device__ static int first() {
    const int row = static_cast<int>(threadIdx.x) % 32 / 4;
    const int warp = static_cast<int>(threadIdx.x) / 32 % 4;
    return row % 2 * kHalfKeys + warp * 8 + row / 2 * 2;
  }

  __device__ void read(const Page& page) {
    const int key = first();
    const auto* rows = key < kHalfKeys ? page.low : page.high;
    const int row = key % kHalfKeys;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int piece = half * (kRowPieces / 2) + static_cast<int>(threadIdx.x) % 4;
      const uint4 one = rows[row][piece];
      const uint4 other = rows[row + 1][piece];
      codes[half * 2] = {one.x, other.x, one.y, other.y};
      codes[half * 2 + 1] = {one.z, other.z, one.w, other.w};
    }
    scales = *reinterpret_cast<const float2*>(page.scales + key);
  }
};

// What all heads make of a lane's two keys, but for the keys' scales.
__device__ __forceinline__ float2 sum_heads(const cuda::Products64& products,
                                            const float (&weights)[kMaxHeads]) {
  float2 one = {0, 0};
  float2 other = {0, 0};
#pragma unroll
  for (int i = 0; i < kMaxHeads / 8; ++i) {
    const float2 pair = *reinterpret_cast<const float2*>(weights + i * 8 + threadIdx.x % 4 * 2);
    one.x += pair.x * fmaxf(products[i][0], 0.0F);
    one.y += pair.y * fmaxf(products[i][1], 0.0F);
    other.x += pair.x * fmaxf(products[i][2], 0.0F);
    other.y += pair.y * fmaxf(products[i][3], 0.0F);
  }
  float2 sums = {one.x + one.y, other.x + other.y};
#pragma unroll
  for (int distance = 1; distance < 4; distance *= 2) {
    sums.x += __shfl_xor_sync(kAllLanes, sums.x, distance);
    sums.y += __shfl_xor_sync(kAllLanes, sums.y, distance);
  }
  return sums;
}

__device__ __forceinline__ void store_scores(const ScoreParams& params, const PageRun& run,
                                             int position, float2 scores) {
  if (threadIdx.x % 4 != 0) return;
  float* target = params.scores.get() + run.token * params.score_stride + position;
  if (position < run.position) {
    *reinterpret_cast<float2*>(target) = scores;
  } else if (position == run.position) {
    *target = scores.x;
  }
}

// A warpgroup's share of the CTA's pages: every second one. So each slot belongs to one warpgroup, since
// their number is even.
__device__ __forceinline__ void score_pages(const ScoreParams& params, const PageRun& run,
                                            const QueryShared& queries, PageRing& ring) {
  const int warpgroup = static_cast<int>(threadIdx.x) / 128;
  const cuda::Operand64 codes(queries.codes);
  Slot slot{warpgroup};
  for (int page = run.first + warpgroup; page < run.end; page += kWarpgroups) {
    cuda::wait_barrier(&ring.full[slot.index], slot.phase);
    LaneKeys keys;
    keys.read(ring.pages[slot.index]);
    __syncwarp();
    if (threadIdx.x % 32 == 0) cuda::arrive(&ring.empty[slot.index]);
    slot.advance(kWarpgroups, params.slots);
    cuda::Products64 products;
    cuda::multiply_64(products, keys.codes, codes);
    const float2 sums = sum_heads(products, queries.weights);
    store_scores(params, run, page * kPageSize + LaneKeys::first(),
                 {sums.x * keys.scales.x, sums.y * keys.scales.y});
  }
}

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
