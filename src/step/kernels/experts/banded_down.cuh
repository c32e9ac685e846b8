// silu, then the down projections of chosen and shared e4m3 experts, weighted and summed, by wgmma.
//
// A CTA owns neighboring bands of eight rows, up to 64 rows. Its stream is a list of items (columns.cuh):
// what one gives the CTA's bands, 256 columns at a time, is contiguous in memory. One warp copies it into
// a ring; two warpgroups take the items in turn and have the whole sum of an item in registers, so
// that it can be rounded and weighted. Every token has a place for each of its own choices, and
// these are added in their order: what other tokens chose does not change a bit of its sum.
//
// PDL: weights of the shared expert before the wait, nothing else.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/warpgroup.cuh"
#include "step/kernels/experts/coded_columns.cuh"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kWarpgroupWarps = 4;
inline constexpr int kBandedThreads = (kProductWarps + 1) * 32;
inline constexpr int kMostBands = 8;
inline constexpr int kMaxBandSlots = 4;

// Of the two warpgroups' rings.
struct BandedShared {
  uint64_t full[2][kMaxBandSlots];
  uint64_t empty[2][kMaxBandSlots];
};

// Bands of a CTA.
struct Bands {
  int first;
  int count;
};
__device__ __forceinline__ Bands bands_of(const DownLaunch& params, Cta cta) {
  const int first = cta.index * params.memory.bands;
  return {first, min(params.memory.bands, params.down.bands() - first)};
}

// A warpgroup's ring: its slots in turn.
class Slot {
 public:
  __device__ Slot(const DownLaunch& params, BandedShared& shared, unsigned char* memory, int group)
      : slots_(params.memory.slots),
        slot_bytes_(params.memory.slot_bytes),
        memory_(cuda::shared_address(memory) + group * slots_ * slot_bytes_),
        full_(cuda::shared_address(shared.full[group])),
        empty_(cuda::shared_address(shared.empty[group])) {}

  __device__ uint32_t memory() const { return memory_ + index_ * slot_bytes_; }
  __device__ uint32_t full() const { return full_ + index_ * static_cast<int>(sizeof(uint64_t)); }
  __device__ uint32_t empty() const { return empty_ + index_ * static_cast<int>(sizeof(uint64_t)); }
  __device__ int lap() const { return lap_; }
  __device__ void advance() {
    if (++index_ < slots_) return;
    index_ = 0;
    ++lap_;
  }

 private:
  int slots_;
  int slot_bytes_;
  uint32_t memory_;
  uint32_t full_;
  uint32_t empty_;
  int index_ = 0;
  int lap_ = 0;
};

// The warp that copies weights: items in their order, in turn for each warpgroup.
class BandProducer {
 public:
  __device__ BandProducer(const DownLaunch& params, BandedShared& shared, unsigned char* memory,
                          const Bands& bands)
      : params_(params),
        bands_(bands),
        slot_(params, shared, memory, 0),
        next_slot_(params, shared, memory, 1) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (lane < 2 * kMaxBandSlots) {
      cuda::initialize_barrier(&shared.full[0][lane], 1);
      cuda::initialize_barrier(&shared.empty[0][lane], kWarpgroupWarps);
      cuda::publish_barriers();
    }
    __syncwarp();
  }
  // Sends for what comes next of the first `items` items. Where it must not wait, as far as there are
  // slots that have never been used.
  __device__ void send(const Columns& columns, int items, bool waits) {
#pragma unroll 1
    while (item_ < items && (waits || slot_.lap() == 0)) {
      const bool is_shared = item_ < Columns::shared_items(params_.tokens);
      const PackedMatrix& matrix = is_shared ? params_.shared_down : params_.down;
      if (left_ == 0) {
        left_ = matrix.groups();
        const int index = is_shared ? 0 : columns.expert(item_);
        source_ = matrix.tiles.get() + int64_t{index} * matrix.tile_count() * matrix.tile_bytes();
      }
      const int band_bytes = PackedMatrix::band_bytes(min(left_, 2));
      push(source_ + bands_.first * band_bytes, bands_.count * band_bytes);
      source_ += int64_t{matrix.bands()} * band_bytes;
      left_ -= 2;
      if (left_ > 0) continue;
      left_ = 0;
      ++item_;
      const Slot used = slot_;
      slot_ = next_slot_;
      next_slot_ = used;
    }
  }

 private:
  __device__ void push(const std::byte* source, int bytes) {
    if (slot_.lap() > 0) cuda::wait_barrier(slot_.empty(), slot_.lap() - 1 & 1);
    if (threadIdx.x % 32 == 0) {
      cuda::expect_bytes(slot_.full(), bytes);
      cuda::copy_bulk(slot_.memory(), source, bytes, slot_.full(), policy_);
    }
    __syncwarp();
    slot_.advance();
  }

  const DownLaunch& params_;
  Bands bands_;
  uint64_t policy_ = cuda::evict_first_policy();  // no weight is read twice in a step
  int item_ = 0;
  int left_ = 0;  // groups of columns of the item; 0: it has not begun
  const std::byte* source_ = nullptr;
  Slot slot_;  // of the item's warpgroup
  Slot next_slot_;
};

// A warpgroup's products.
class BandConsumer {
 public:
  __device__ BandConsumer(const DownLaunch& params, BandedShared& shared, unsigned char* memory,
                          unsigned char* base, const Bands& bands)
      : params_(params),
        slot_(params, shared, memory, warpgroup()),
        codes_(cuda::shared_address(base)),
        scales_(reinterpret_cast<const float*>(base + params.memory.scales)),
        partials_(reinterpret_cast<float*>(base + params.memory.partials)),
        bands_(bands) {}

  __device__ void run(const Columns& columns) {
    const int items = columns.count();
    const int shared = Columns::shared_items(params_.tokens);
#pragma unroll 1
    for (int item = warpgroup(); item < items; item += 2) multiply(columns, item, item < shared);
  }

 private:
  static __device__ int warpgroup() {
    return static_cast<int>(threadIdx.x) / (kWarpgroupWarps * 32);
  }

  __device__ void multiply(const Columns& columns, int item, bool is_shared) {
    const int first = columns.first(item);
    const int count = columns.first(item + 1) - first;
    const int own = static_cast<int>(threadIdx.x) % 4 * 2;  // column of the item
    float sums[4] = {};
    const int groups = is_shared ? params_.shared_down.groups() : params_.down.groups();
    uint32_t operand = codes_ + first * 16;
    // What lies beyond the item's columns is of no use.
    const int column0 = first + min(own, count - 1);
    const int column1 = first + min(own + 1, count - 1);
    const ColumnShare shares[2] = {columns.share(column0), columns.share(column1)};
    const float* scales = scales_;
#pragma unroll 1
    for (int done = 0; done < groups; done += 2) {
      const int here = min(groups - done, 2);
      cuda::wait_barrier(slot_.full(), slot_.lap() & 1);
      __syncwarp();
      const uint32_t slot = slot_.memory();
      const int band_bytes = PackedMatrix::band_bytes(here);
      const int lane = static_cast<int>(threadIdx.x) % 32;
      const int band = static_cast<int>(threadIdx.x) / 32 % kWarpgroupWarps * 2;
      const uint32_t low = slot + min(band, bands_.count - 1) * band_bytes;
      const uint32_t high = slot + min(band + 1, bands_.count - 1) * band_bytes;
      uint32_t rows = (lane / 8 % 2 == 0 ? low : high) + lane / 16 * 128 + lane % 8 * 16;
      uint32_t weight_scale = here * kGroup * kBandRows;
#pragma unroll 1
      for (int group = 0; group < here; ++group) {
        uint4 a[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) a[i] = cuda::load_matrices(rows + i * 256);
        const float low_scale = __uint_as_float(cuda::load_shared_4(low + weight_scale));
        const float high_scale = __uint_as_float(cuda::load_shared_4(high + weight_scale));
        float products[4];
        cuda::multiply_64_by_8(products, a, operand, params_.memory.pitch);
        sums[0] += products[0] * (scales[column0] * low_scale);
        sums[1] += products[1] * (scales[column1] * low_scale);
        sums[2] += products[2] * (scales[column0] * high_scale);
        sums[3] += products[3] * (scales[column1] * high_scale);
        rows += kGroup * kBandRows;
        weight_scale += sizeof(float);
        operand += 8 * params_.memory.pitch;
        scales += params_.memory.columns;
      }
      __syncwarp();
      if (lane == 0) cuda::arrive(slot_.empty());
      slot_.advance();
    }
    store(shares, own, count, sums);
  }

  // weight * sum, rounded.
  __device__ void store(const ColumnShare (&shares)[2], int own, int count,
                        const float (&sums)[4]) const {
    const int row = static_cast<int>(threadIdx.x) / 32 % kWarpgroupWarps * 16 +
                    static_cast<int>(threadIdx.x) % 32 / 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (own + i >= count) continue;
      float* const target = partials_ + shares[i].target + row;
      const int rows = bands_.count * kBandRows;
      if (row < rows) target[0] = shares[i].weight * round_to_bf16(sums[i]);
      if (row + 8 < rows) target[8] = shares[i].weight * round_to_bf16(sums[i + 2]);
    }
  }

  const DownLaunch& params_;
  Slot slot_;
  uint32_t codes_;
  const float* scales_;
  float* partials_;
  Bands bands_;
};

// Adds what lies at a token's places and stores it, for all ranks if there are several.
__device__ __forceinline__ void store_bands(const DownLaunch& params, const PairDeal& deal,
                                            const Bands& bands, const float* partials) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < deal.all(); i += kProductWarps * 32) {
    const PairDeal::Share share = deal.share(i);
    const int row = share.tile * kTileRows + share.pair * 2;
    if (share.token >= params.tokens || row >= bands.count * kBandRows) continue;
    const float* partial = partials + share.token * params.memory.token_stride + row;
    float2 sums = {0, 0};
#pragma unroll 3
    for (int place = 0; place < 1 + params.choices_per_token; ++place) {
      const auto part = *reinterpret_cast<const float2*>(partial);
      sums.x += part.x;
      sums.y += part.y;
      partial += params.memory.place_stride;
    }
    __nv_bfloat16* const target = params.output.get() + int64_t{share.token} * params.down.rows +
                                  bands.first * kBandRows + row;
    if (params.peers.ranks > 0) {
      deal.push(params.peers, share.part, target, sums);
    } else {
      store_pair(target, sums);
    }
  }
}

// Barriers of named threads: columns are known; all is ready for products; all sums are there.
inline constexpr int kSortedBarrier = 1;
inline constexpr int kReadyBarrier = 2;
inline constexpr int kSummedBarrier = 3;

}  // namespace experts

template <int kRounds, bool kByLanes, class Gate>
__device__ __forceinline__ void banded_block(const DownLaunch& params, Cta cta,
                                             unsigned char* memory, experts::BandedShared& shared,
                                             Gate gate) {
  using namespace experts;
  unsigned char* const base = memory + 2 * params.memory.slots * params.memory.slot_bytes;
  const Bands bands = bands_of(params, cta);
  const Columns columns(params, base + params.memory.order);
  if (threadIdx.x >= kProductWarps * 32) {
    BandProducer producer(params, shared, memory, bands);
    // slipstream-check: allow R2: weights
    producer.send(columns, Columns::shared_items(params.tokens), false);
    columns.add_shared();
    __syncthreads();
    gate.pass();
    int items = 0;
    if constexpr (kByLanes) {
      const ExpertChoice choice = columns.lane_choice();
      items = columns.sort_lanes(choice);
      cuda::arrive_threads(kSortedBarrier, kBandedThreads);
      producer.send(columns, items, false);
      columns.finish_lanes(choice, items);
    } else {
      columns.collect();
      __syncthreads();
      columns.sort();
      __syncthreads();
      items = columns.list();
      producer.send(columns, items, false);
    }
    cuda::arrive_threads(kReadyBarrier, kBandedThreads);
    producer.send(columns, items, true);
    return;
  }
  const CodedColumns<kRounds> rows(params, base);
  rows.clear();
  rows.rehearse();
  auto sources = rows.first();
  PairDeal deal(params.peers, (bands.count + 1) / 2, 32 - __clz(params.tokens - 1),
                kProductWarps * 32);
  deal.settle();
  __syncthreads();
  gate.pass();
  auto raw = rows.load(sources);
  if constexpr (kByLanes) {
    rows.quantize(sources, raw, columns,
                  [] { cuda::sync_threads(kSortedBarrier, kBandedThreads); });
  } else {
    columns.collect();
    __syncthreads();
    columns.sort();
    __syncthreads();
    rows.quantize(sources, raw, columns, [] {});
  }
  cuda::sync_threads(kReadyBarrier, kBandedThreads);
  BandConsumer(params, shared, memory, base, bands).run(columns);
  cuda::sync_threads(kSummedBarrier, kProductWarps * 32);
  store_bands(params, deal, bands, reinterpret_cast<const float*>(base + params.memory.partials));
}

// Two CTAs per multiprocessor: of few tokens those of the launches before and after find registers next
// to one. More tokens need them.
template <int kRounds, bool kByLanes>
__global__ void __launch_bounds__(experts::kBandedThreads, kByLanes ? 2 : 1)
    banded_down_kernel(const __grid_constant__ DownLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ experts::BandedShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  banded_block<kRounds, kByLanes>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
