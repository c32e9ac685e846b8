// silu, then the down projections of chosen and shared e4m3 experts, weighted and summed, by wgmma.
//
// A CTA owns neighboring bands of eight rows, up to 64 rows. Its stream is a list of items (columns.cuh):
// what one gives the CTA's bands, 256 columns at a time, is contiguous in memory. One warp copies it into
// rings; warpgroups take the items in turn and have the whole sum of an item in registers, so that it can be
// rounded and weighted. Every token has a place for each of its own choices, and these are added in their
// order: what other tokens chose does not change a bit of its sum.
//
// PDL: weights and activations of the shared expert before the wait, nothing else; of several tokens its products,
// too.
#pragma once

#include "step/kernels/experts/band_products.cuh"
#include "step/kernels/experts/coded_columns.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// The warp that lists the items and copies their weights.
template <int kWarpgroups, bool kByLanes, bool kSharedFirst, class Gate>
__device__ __forceinline__ void produce(const DownLaunch& params, BandedShared& shared,
                                        const unsigned char* memory, const Bands& bands,
                                        const Columns& columns, Gate gate) {
  constexpr int kThreads = banded_threads(kWarpgroups);
  BandProducer<kWarpgroups> producer(params, shared, memory, bands);
  int items = Columns::shared_items(params.tokens);
  ExpertChoice choice = {-1, 0};
  columns.add_shared();
  cuda::arrive_threads(kPreparedBarrier, kThreads);
  // One loop, so that what sends before the wait is in the instruction caches afterwards.
#pragma unroll 1
  for (int round = 0; round < 3; ++round) {
    // slipstream-check: allow R2: before the wait nothing but weights of the shared expert
    producer.send(columns, items, round == 2 || (kSharedFirst && round == 0));
    if (round == 0) {
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
  // Of one token that would only be one more barrier before the wait (measured on an H200).
  constexpr bool kSharedFirst = kRounds > 1;
  unsigned char* const base = memory + kWarpgroups * params.memory.slots * params.memory.slot_bytes;
  const Bands bands = bands_of(params, cta);
  const Columns columns(params, base + params.memory.order);
  if (threadIdx.x >= kConsumers) {
    produce<kWarpgroups, kByLanes, kSharedFirst>(params, shared, memory, bands, columns, gate);
    return;
  }
  const CodedColumns<kRounds, kConsumers> rows(params, base);
  BandConsumer<kWarpgroups> consumer(params, shared, memory, base, bands);
  rows.clear();
  cuda::sync_threads(kSummedBarrier, kConsumers);
  rows.rehearse();
  QuadDeal deal(params.peers, (bands.count + 1) / 2, 32 - __clz(params.tokens - 1), kConsumers,
                static_cast<int>(threadIdx.x));
  deal.settle();
  // One loop, for the rehearsal.
#pragma unroll 1
  for (int run = kRehearsal;; run += kSharedFirst ? 1 : 2) {
    consumer.run(columns, run);
    if (run == kRest) break;
    if (run == kRehearsal) {
      cuda::sync_threads(kPreparedBarrier, kThreads);
      rows.quantize_shared();
      if constexpr (kSharedFirst) {
        cuda::publish_to_products();
        cuda::sync_threads(kSummedBarrier, kConsumers);
        continue;
      }
    }
    auto sources = rows.first();
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
  // slipstream-check: allow R2: the loop ends with kRest, which comes after the wait
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
