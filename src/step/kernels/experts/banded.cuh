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
#include "step/kernels/experts/columns.cuh"
#include "step/kernels/experts/gated_rows.cuh"
#include "step/kernels/support/peers.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

inline constexpr int kWarpgroupWarps = 4;
inline constexpr int kProductWarps = 2 * kWarpgroupWarps;
inline constexpr int kBandedThreads = (kProductWarps + 1) * 32;
inline constexpr int kMostBands = 8;
inline constexpr int kMaxBandedSlots = 16;

struct BandedShared {
  uint64_t full[kMaxBandedSlots];
  uint64_t empty[kMaxBandedSlots];
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

// Slots of the ring in turn.
struct Slot {
  int index = 0;
  uint32_t parity = 0;

  __device__ void advance(int slots, int by = 1) {
    index += by;
    while (index >= slots) {
      index -= slots;
      parity ^= 1;
    }
  }
};

// The warp that copies weights.
class BandProducer {
 public:
  __device__ BandProducer(const DownLaunch& params, BandedShared& shared, uint32_t ring,
                          const Bands& bands)
      : params_(params), shared_(shared), ring_(ring), bands_(bands) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (lane < params.memory.slots) {
      cuda::initialize_barrier(&shared.full[lane], 1);
      cuda::initialize_barrier(&shared.empty[lane], kWarpgroupWarps);
      cuda::publish_barriers();
    }
    __syncwarp();
  }
  // Sends for pieces of items up to `items`, while there are free slots or `most` for all.
  __device__ void send(const Columns& columns, int items, bool waits) {
#pragma unroll 1
    while (item_ < items && (waits || !laps_)) {
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
      left_ = max(left_ - 2, 0);
      item_ += static_cast<int>(left_ == 0);
    }
  }

 private:
  __device__ void push(const std::byte* source, int bytes) {
    if (laps_) cuda::wait_barrier(&shared_.empty[slot_.index], slot_.parity ^ 1);
    if (threadIdx.x % 32 == 0) {
      cuda::expect_bytes(&shared_.full[slot_.index], bytes);
      cuda::copy_bulk(ring_ + slot_.index * params_.memory.slot_bytes, source, bytes,
                      cuda::shared_address(&shared_.full[slot_.index]), policy_);
    }
    __syncwarp();
    slot_.advance(params_.memory.slots);
    if (slot_.index == 0) laps_ = true;
  }

  const DownLaunch& params_;
  BandedShared& shared_;
  uint32_t ring_;
  Bands bands_;
  uint64_t policy_ = cuda::evict_first_policy();  // no weight is read twice in a step
  int item_ = 0;
  int left_ = 0;  // groups of columns of the item; 0: it has not begun
  const std::byte* source_ = nullptr;
  Slot slot_;
  bool laps_ = false;  // every slot has been filled once
};

// Gated rows as e4m3 codes where the products find them.
template <int kRounds>
class CodedColumns {
 public:
  __device__ CodedColumns(const DownLaunch& params, unsigned char* base)
      : params_(params),
        codes_(base),
        scales_(reinterpret_cast<float*>(base + params.memory.scales)),
        chosen_(params.tokens * params.choices_per_token),
        chosen_units_(chosen_ * params.down.groups()) {}

  struct Raw {
    int first;  // unit of the lane
    uint4 gate[kRounds];
    uint4 up[kRounds];
  };
  __device__ void rehearse() const { keep(quantize_gated({}, {}, params_.ue8m0)); }
  __device__ int units() const { return row_units(params_); }
  __device__ Raw load_first() const { return load(static_cast<int>(threadIdx.x) / 16); }
  __device__ Raw load(int first) const {
    Raw raw = {first, {}, {}};
#pragma unroll
    for (int i = 0; i < kRounds; ++i) {
      const int unit = first + i * kRound;
      if (unit >= units()) break;
      const Unit at = find(unit);
      const GatedRow source = row_at(params_, at.row);
      const int column = at.group * kGroup + static_cast<int>(threadIdx.x) % 16 * 8;
      raw.gate[i] = *reinterpret_cast<const uint4*>(source.gate + column);
      raw.up[i] = *reinterpret_cast<const uint4*>(source.up + column);
    }
    return raw;
  }
  // `settled`: to be called before columns are asked for.
  template <class Settled>
  __device__ void quantize(Raw& raw, const Columns& columns, const Settled& settled) const {
    bool first = true;
#pragma unroll 1
    while (true) {
#pragma unroll
      for (int i = 0; i < kRounds; ++i) {
        const int unit = raw.first + i * kRound;
        const int half = static_cast<int>(threadIdx.x) / 16 % 2;
        if (unit - half >= units() && !(first && i == 0)) break;
        const EightCodes codes = quantize_gated(raw.gate[i], raw.up[i], params_.ue8m0);
        if (first && i == 0) settled();
        if (unit < units()) store(unit, codes, columns);
      }
      first = false;
      if (raw.first / 2 * 2 + kRounds * kRound >= units()) break;
      raw = load(raw.first + kRounds * kRound);
    }
    cuda::publish_to_products();
  }

 private:
  static constexpr int kRound = kProductWarps * 2;  // units
  struct Unit {
    int row;
    int group;
  };
  __device__ Unit find(int unit) const {
    const bool shared = unit >= chosen_units_;
    const SmallDivisor& groups = shared ? params_.per_shared_row : params_.per_row;
    const int index = shared ? unit - chosen_units_ : unit;
    const int row = groups.divide(index);
    return {(shared ? chosen_ : 0) + row, index - row * groups.divisor};
  }
  __device__ void store(int unit, const EightCodes& codes, const Columns& columns) const {
    const Unit at = find(unit);
    const int column = columns.column(at.row);
    const int eighth = static_cast<int>(threadIdx.x) % 16;
    *reinterpret_cast<uint2*>(codes_ + (at.group * 8 + eighth / 2) * params_.memory.pitch + column * 16 +
                              eighth % 2 * 8) = {codes.words[0], codes.words[1]};
    if (eighth == 0) {
      scales_[at.group * params_.memory.columns + column] = codes.scale;
    }
  }

  const DownLaunch& params_;
  unsigned char* codes_;
  float* scales_;
  int chosen_;
  int chosen_units_;
};

// A warpgroup's products.
class BandConsumer {
 public:
  __device__ BandConsumer(const DownLaunch& params, BandedShared& shared, uint32_t ring,
                          unsigned char* base, const Bands& bands)
      : params_(params),
        shared_(shared),
        ring_(ring),
        codes_(cuda::shared_address(base)),
        scales_(reinterpret_cast<const float*>(base + params.memory.scales)),
        partials_(reinterpret_cast<float*>(base + params.memory.partials)),
        bands_(bands) {}

  __device__ void run(const Columns& columns) {
    const int items = columns.count();
    const int shared = Columns::shared_items(params_.tokens);
    const int group = static_cast<int>(threadIdx.x) / (kWarpgroupWarps * 32);
    if (group == 1) slot_.advance(params_.memory.slots, blocks(0, shared));
#pragma unroll 1
    for (int item = group; item < items; item += 2) {
      multiply(columns, item, item < shared);
      slot_.advance(params_.memory.slots, blocks(item + 1, shared));
    }
  }

 private:
  __device__ int blocks(int item, int shared) const {
    return item < shared ? params_.shared_down.blocks() : params_.down.blocks();
  }

  __device__ void multiply(const Columns& columns, int item, bool is_shared) {
    const int first = columns.first(item);
    const int count = columns.first(item + 1) - first;
    const int own = static_cast<int>(threadIdx.x) % 4 * 2;  // column of the item
    const ColumnShare shares[2] = {columns.share(first + min(own, count - 1)),
                                   columns.share(first + min(own + 1, count - 1))};
    float sums[4] = {};
    const int groups = is_shared ? params_.shared_down.groups() : params_.down.groups();
    uint32_t operand = codes_ + first * 16;
    const float* scale = scales_ + first + own;
#pragma unroll 1
    for (int done = 0; done < groups; done += 2) {
      const int here = min(groups - done, 2);
      cuda::wait_barrier(&shared_.full[slot_.index], slot_.parity);
      const uint32_t slot = ring_ + slot_.index * params_.memory.slot_bytes;
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
        sums[0] += products[0] * (scale[0] * low_scale);
        sums[1] += products[1] * (scale[1] * low_scale);
        sums[2] += products[2] * (scale[0] * high_scale);
        sums[3] += products[3] * (scale[1] * high_scale);
        rows += kGroup * kBandRows;
        weight_scale += sizeof(float);
        operand += 8 * params_.memory.pitch;
        scale += params_.memory.columns;
      }
      __syncwarp();
      if (lane == 0) cuda::arrive(&shared_.empty[slot_.index]);
      slot_.advance(params_.memory.slots);
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
  BandedShared& shared_;
  uint32_t ring_;
  uint32_t codes_;
  const float* scales_;
  float* partials_;
  Bands bands_;
  Slot slot_;
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
  const uint32_t ring = cuda::shared_address(memory);
  unsigned char* const base = memory + params.memory.slots * params.memory.slot_bytes;
  const Bands bands = bands_of(params, cta);
  const Columns columns(params, base + params.memory.order);
  if (threadIdx.x >= kProductWarps * 32) {
    BandProducer producer(params, shared, ring, bands);
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
  rows.rehearse();
  PairDeal deal(params.peers, (bands.count + 1) / 2, 32 - __clz(params.tokens - 1),
                kProductWarps * 32);
  deal.settle();
  __syncthreads();
  gate.pass();
  typename CodedColumns<kRounds>::Raw raw;
  if constexpr (kByLanes) {
    raw = rows.load_first();
    rows.quantize(raw, columns, [] { cuda::sync_threads(kSortedBarrier, kBandedThreads); });
  } else {
    raw = rows.load_first();
    columns.collect();
    __syncthreads();
    columns.sort();
    __syncthreads();
    rows.quantize(raw, columns, [] {});
  }
  cuda::sync_threads(kReadyBarrier, kBandedThreads);
  BandConsumer(params, shared, ring, base, bands).run(columns);
  cuda::sync_threads(kSummedBarrier, kProductWarps * 32);
  store_bands(params, deal, bands, reinterpret_cast<const float*>(base + params.memory.partials));
}

template <int kRounds, bool kByLanes>
__global__ void __launch_bounds__(experts::kBandedThreads, 2)
    banded_down_kernel(const __grid_constant__ DownLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ experts::BandedShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  banded_block<kRounds, kByLanes>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
