// silu, then the down projections of chosen and shared e4m3 experts, weighted and summed, by wgmma.
//
// A CTA owns neighboring bands of eight rows, up to 64 rows. Its stream is a list of items (columns.cuh):
// what one gives the CTA's bands, 256 columns at a time, is contiguous in memory. One warp copies it into
// rings; warpgroups take the items in turn and have the whole sum of an item in registers, so
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
inline constexpr int kMaxWarpgroups = 4;
constexpr int banded_threads(int warpgroups) { return (warpgroups * kWarpgroupWarps + 1) * 32; }

inline constexpr int kMaxBandSlots = 4;
inline constexpr int kLeastCodes = 2048;  // bytes, for the rehearsal

// Of the warpgroups' rings.
struct BandedShared {
  uint64_t full[kMaxWarpgroups * kMaxBandSlots];
  uint64_t empty[kMaxWarpgroups * kMaxBandSlots];
};

// Barriers of named threads: columns are known; all is ready for products; all sums are there.
inline constexpr int kSortedBarrier = 1;
inline constexpr int kReadyBarrier = 2;
inline constexpr int kSummedBarrier = 3;

// Bands of a CTA.
struct Bands {
  int first;
  int count;
};
__device__ __forceinline__ Bands bands_of(const DownLaunch& params, Cta cta) {
  const int first = cta.index * params.memory.bands;
  return {first, min(params.memory.bands, params.down.bands() - first)};
}

// The slots of all warpgroups' rings, by their addresses: those of a ring follow each other.
struct Rings {
  uint32_t memory;
  uint32_t full;
  uint32_t empty;
  int slot_bytes;

  __device__ Rings(const DownLaunch& params, const BandedShared& shared,
                   const unsigned char* memory_in)
      : memory(cuda::shared_address(memory_in)),
        full(cuda::shared_address(shared.full)),
        empty(cuda::shared_address(shared.empty)),
        slot_bytes(params.memory.slot_bytes) {}
  __device__ uint32_t slot(int index) const { return memory + index * slot_bytes; }
  __device__ uint32_t full_barrier(int index) const { return full + index * kBarrier; }
  __device__ uint32_t empty_barrier(int index) const { return empty + index * kBarrier; }

 private:
  static constexpr int kBarrier = sizeof(uint64_t);
};

// A warpgroup's slots in turn.
struct Turn {
  int first;
  int next = 0;
  int lap = 0;

  __device__ int slot() const { return first + next; }
  __device__ void advance(int slots) {
    if (++next < slots) return;
    next = 0;
    ++lap;
  }
};

// The warp that copies weights: items in their order, in turn for each warpgroup.
template <int kWarpgroups>
class BandProducer {
 public:
  __device__ BandProducer(const DownLaunch& params, BandedShared& shared,
                          const unsigned char* memory, const Bands& bands)
      : rings_(params, shared, memory),
        slots_(params.memory.slots),
        shared_items_(Columns::shared_items(params.tokens)),
        all_bands_(params.down.bands()),
        bands_(bands),
        chosen_(params.down.tiles.get()),
        shared_(params.shared_down.tiles.get()),
        groups_(params.down.groups()),
        shared_groups_(params.shared_down.groups()),
        expert_bytes_(params.memory.expert_bytes) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (lane < kWarpgroups * slots_) {
      cuda::initialize_barrier(&shared.full[lane], 1);
      cuda::initialize_barrier(&shared.empty[lane], kWarpgroupWarps);
      cuda::publish_barriers();
    }
    __syncwarp();
#pragma unroll
    for (int group = 0; group < kWarpgroups; ++group) turns_[group].first = group * slots_;
    cuda::settle(chosen_, groups_, expert_bytes_);
  }
  // Sends for what comes next of the first `items` items. Where it must not wait, as far as there are
  // slots that have never been used.
  __device__ void send(const Columns& columns, int items, bool waits) {
#pragma unroll 1
    while (item_ < items && (waits || turns_[0].lap == 0)) {
      if (left_ == 0) {
        const bool is_shared = item_ < shared_items_;
        left_ = is_shared ? shared_groups_ : groups_;
        source_ = is_shared ? shared_ : chosen_ + int64_t{columns.expert(item_)} * expert_bytes_;
      }
      const int band_bytes = PackedMatrix::band_bytes(min(left_, 2));
      push(source_ + bands_.first * band_bytes, bands_.count * band_bytes);
      source_ += int64_t{all_bands_} * band_bytes;
      left_ = max(left_ - 2, 0);
      if (left_ == 0) next_item();
    }
  }

 private:
  __device__ void push(const std::byte* source, int bytes) {
    Turn& turn = turns_[0];
    const int slot = turn.slot();
    if (turn.lap > 0) cuda::wait_barrier(rings_.empty_barrier(slot), turn.lap - 1 & 1);
    if (threadIdx.x % 32 == 0) {
      cuda::expect_bytes(rings_.full_barrier(slot), bytes);
      cuda::copy_bulk(rings_.slot(slot), source, bytes, rings_.full_barrier(slot), policy_);
    }
    __syncwarp();
    turn.advance(slots_);
  }
  __device__ void next_item() {
    ++item_;
    const Turn used = turns_[0];
#pragma unroll
    for (int group = 1; group < kWarpgroups; ++group) turns_[group - 1] = turns_[group];
    turns_[kWarpgroups - 1] = used;
  }

  Rings rings_;
  int slots_;
  int shared_items_;
  int all_bands_;
  Bands bands_;
  const std::byte* chosen_;
  const std::byte* shared_;
  int groups_;
  int shared_groups_;
  int expert_bytes_;
  uint64_t policy_ = cuda::evict_first_policy();
  int item_ = 0;
  int left_ = 0;  // groups of columns of the item; 0: it has not begun
  const std::byte* source_ = nullptr;
  Turn turns_[kWarpgroups] = {};  // from the item's on
};

// What a warp multiplies of a piece: its 16 rows, the last ones over again where there are fewer, times
// eight columns.
struct BandRows {
  uint32_t low;  // bands, in shared memory
  uint32_t high;
  bool two;  // groups of columns; else there is one
};

__device__ __forceinline__ float4 multiply_bands(BandRows rows, cuda::Columns8 columns,
                                                 const float* scales0, const float* scales1,
                                                 int scale_stride) {
  constexpr int kGroupBytes = kGroup * kBandRows;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const uint32_t own = (lane / 8 % 2 == 0 ? rows.low : rows.high) + lane / 16 * 128 + lane % 8 * 16;
  // In place of a second group the first one is multiplied once more, with nothing.
  const int second = rows.two ? 1 : 0;
  uint4 a[2][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    a[0][i] = cuda::load_matrices(own + i * 256);
    a[1][i] = cuda::load_matrices(own + second * kGroupBytes + i * 256);
  }
  const uint32_t of_weights = (1 + second) * kGroupBytes;
  const float low0 = __uint_as_float(cuda::load_shared_4(rows.low + of_weights));
  const float high0 = __uint_as_float(cuda::load_shared_4(rows.high + of_weights));
  const auto second_scale = [&](uint32_t band) {
    const uint32_t at = band + of_weights + second * static_cast<int>(sizeof(float));
    return rows.two ? __uint_as_float(cuda::load_shared_4(at)) : 0.0F;
  };
  const float low1 = second_scale(rows.low);
  const float high1 = second_scale(rows.high);
  const float x00 = scales0[0];
  const float x01 = scales1[0];
  const float x10 = scales0[second * scale_stride];
  const float x11 = scales1[second * scale_stride];
  const cuda::Columns8 b[2] = {columns,
                               {columns.first + second * 8 * columns.pitch, columns.pitch}};
  float products[2][4];
  cuda::multiply_64(products, a, b);
  return {products[0][0] * (x00 * low0) + products[1][0] * (x10 * low1),
          products[0][1] * (x01 * low0) + products[1][1] * (x11 * low1),
          products[0][2] * (x00 * high0) + products[1][2] * (x10 * high1),
          products[0][3] * (x01 * high0) + products[1][3] * (x11 * high1)};
}

// A warpgroup's products: those of every kWarpgroups-th item.
template <int kWarpgroups>
class BandConsumer {
 public:
  __device__ BandConsumer(const DownLaunch& params, BandedShared& shared, unsigned char* memory,
                          unsigned char* base, const Bands& bands)
      : params_(params),
        rings_(params, shared, memory),
        turn_{warpgroup() * params.memory.slots},
        codes_(cuda::shared_address(base)),
        scales_(reinterpret_cast<const float*>(base + params.memory.scales)),
        partials_(reinterpret_cast<float*>(base + params.memory.partials)),
        rows_(bands.count * kBandRows),
        last_band_(bands.count - 1) {}

  // A rehearsal, before the wait, is a product of cleared codes with themselves, of which nothing is kept:
  // it brings the instructions into the caches, which takes much longer once weights are on their way.
  __device__ void run(const Columns& columns, bool is_rehearsal) {
    const int items = is_rehearsal ? kWarpgroups : columns.count();
    const int shared = is_rehearsal ? items : Columns::shared_items(params_.tokens);
#pragma unroll 1
    for (int item = warpgroup(); item < items; item += kWarpgroups) {
      multiply(columns, item, item < shared, is_rehearsal);
    }
  }

 private:
  static __device__ int warpgroup() {
    return static_cast<int>(threadIdx.x) / (kWarpgroupWarps * 32);
  }

  __device__ void multiply(const Columns& columns, int item, bool is_shared, bool is_rehearsal) {
    const int first = is_rehearsal ? 0 : columns.first(item);
    const int count = is_rehearsal ? 0 : columns.first(item + 1) - first;
    const int own = static_cast<int>(threadIdx.x) % 4 * 2;  // column of the item
    // What lies beyond the item's columns is of no use.
    const int column0 = first + max(min(own, count - 1), 0);
    const int column1 = first + max(min(own + 1, count - 1), 0);
    ColumnShare shares[2] = {};
    if (!is_rehearsal) {
      shares[0] = columns.share(column0);
      shares[1] = columns.share(column1);
    }
    const int stride = params_.memory.columns;
    uint32_t operand = codes_ + first * kPieceColumns;
    const float* scales = scales_;
    float sums[4] = {};
#pragma unroll 1
    for (int left = is_shared ? params_.shared_down.groups() : params_.down.groups(); left > 0;
         left -= 2) {
      if (!is_rehearsal) cuda::wait_barrier(rings_.full_barrier(turn_.slot()), turn_.lap & 1);
      __syncwarp();
      const BandRows rows =
          is_rehearsal ? BandRows{codes_, codes_, false} : band_rows(min(left, 2));
      const float4 more =
          multiply_bands(rows, {operand, pitch()}, scales + column0, scales + column1, stride);
      sums[0] += more.x;
      sums[1] += more.y;
      sums[2] += more.z;
      sums[3] += more.w;
      if (is_rehearsal) return;
      __syncwarp();
      if (threadIdx.x % 32 == 0) cuda::arrive(rings_.empty_barrier(turn_.slot()));
      turn_.advance(params_.memory.slots);
      operand += 2 * kGroup / kPieceColumns * pitch();
      scales += 2 * stride;
    }
    store(shares, own, count, sums);
  }

  __device__ uint32_t pitch() const { return params_.memory.pitch; }
  __device__ BandRows band_rows(int groups) const {
    const int band = static_cast<int>(threadIdx.x) / 32 % kWarpgroupWarps * 2;
    const uint32_t slot = rings_.slot(turn_.slot());
    const int bytes = PackedMatrix::band_bytes(groups);
    return {slot + min(band, last_band_) * bytes, slot + min(band + 1, last_band_) * bytes,
            groups == 2};
  }

  // weight * sum, rounded.
  __device__ void store(const ColumnShare (&shares)[2], int own, int count,
                        const float (&sums)[4]) const {
    const int row = static_cast<int>(threadIdx.x) / 32 % kWarpgroupWarps * kTileRows +
                    static_cast<int>(threadIdx.x) % 32 / 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (own + i >= count) continue;
      float* const target = partials_ + shares[i].target + row;
      if (row < rows_) target[0] = shares[i].weight * round_to_bf16(sums[i]);
      if (row + 8 < rows_) target[8] = shares[i].weight * round_to_bf16(sums[i + 2]);
    }
  }

  const DownLaunch& params_;
  Rings rings_;
  Turn turn_;
  uint32_t codes_;
  const float* scales_;
  float* partials_;
  int rows_;
  int last_band_;
};

// Adds what lies at a token's places and stores it, for all ranks if there are several.
template <int kThreads>
__device__ __forceinline__ void store_bands(const DownLaunch& params, const PairDeal& deal,
                                            const Bands& bands, const float* partials) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < deal.all(); i += kThreads) {
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

// The warp that lists the items and copies their weights.
template <int kWarpgroups, bool kByLanes, class Gate>
__device__ __forceinline__ void produce(const DownLaunch& params, BandedShared& shared,
                                        const unsigned char* memory, const Bands& bands,
                                        const Columns& columns, Gate gate) {
  constexpr int kThreads = banded_threads(kWarpgroups);
  BandProducer<kWarpgroups> producer(params, shared, memory, bands);
  int items = Columns::shared_items(params.tokens);
  ExpertChoice choice = {-1, 0};
  // One loop, so that what sends before the wait is in the instruction caches afterwards.
#pragma unroll 1
  for (int round = 0; round < 3; ++round) {
    // slipstream-check: allow R2: before the wait nothing but weights of the shared expert
    producer.send(columns, items, round == 2);
    if (round == 0) {
      columns.add_shared();
      __syncthreads();
      gate.pass();
      if constexpr (kByLanes) {
        choice = columns.lane_choice();
        items = columns.sort_lanes(choice);
        cuda::arrive_threads(kSortedBarrier, kThreads);
      } else {
        columns.collect();
        __syncthreads();
        columns.sort();
        __syncthreads();
        items = columns.list();
      }
    } else if (round == 1) {
      if constexpr (kByLanes) columns.finish_lanes(choice, items);
      cuda::arrive_threads(kReadyBarrier, kThreads);
    }
  }
}

}  // namespace experts

template <int kRounds, bool kByLanes, int kWarpgroups, class Gate>
__device__ __forceinline__ void banded_block(const DownLaunch& params, Cta cta,
                                             unsigned char* memory, experts::BandedShared& shared,
                                             Gate gate) {
  using namespace experts;
  constexpr int kThreads = banded_threads(kWarpgroups);
  constexpr int kConsumers = kThreads - 32;
  unsigned char* const base = memory + kWarpgroups * params.memory.slots * params.memory.slot_bytes;
  const Bands bands = bands_of(params, cta);
  const Columns columns(params, base + params.memory.order);
  if (threadIdx.x >= kConsumers) {
    produce<kWarpgroups, kByLanes>(params, shared, memory, bands, columns, gate);
    return;
  }
  const CodedColumns<kRounds, kConsumers> rows(params, base);
  BandConsumer<kWarpgroups> consumer(params, shared, memory, base, bands);
  rows.clear();
  cuda::sync_threads(kSummedBarrier, kConsumers);
  rows.rehearse();
  PairDeal deal(params.peers, (bands.count + 1) / 2, 32 - __clz(params.tokens - 1), kConsumers);
  deal.settle();
  // One loop, for the rehearsal.
#pragma unroll 1
  for (int round = 0; round < 2; ++round) {
    consumer.run(columns, round == 0);
    if (round == 1) break;
    auto sources = rows.first();
    __syncthreads();
    gate.pass();
    auto raw = rows.load(sources);
    if constexpr (kByLanes) {
      rows.quantize(sources, raw, columns, [] { cuda::sync_threads(kSortedBarrier, kThreads); });
    } else {
      columns.collect();
      __syncthreads();
      columns.sort();
      __syncthreads();
      rows.quantize(sources, raw, columns, [] {});
    }
    cuda::sync_threads(kReadyBarrier, kThreads);
  }
  cuda::sync_threads(kSummedBarrier, kConsumers);
  store_bands<kConsumers>(params, deal, bands,
                          reinterpret_cast<const float*>(base + params.memory.partials));
}

// Of up to 32 choices two CTAs per multiprocessor: those of the launches before and after find registers
// next to one. More need them.
template <int kRounds, bool kByLanes, int kWarpgroups>
__global__ void __launch_bounds__(experts::banded_threads(kWarpgroups), kByLanes ? 2 : 1)
    banded_down_kernel(const __grid_constant__ DownLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ experts::BandedShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  banded_block<kRounds, kByLanes, kWarpgroups>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
