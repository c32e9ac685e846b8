// Polls of lanes that have many columns of a place each.
//
// What is polled for never comes from the first cache, and how long it takes hangs on how many lines of
// 128 bytes a warp touches with each load. Lanes that read their own columns, 16 bytes at a time, touch
// four times as many as lanes that read neighboring columns. So lanes poll for eight neighboring columns
// each, and then take from each other what is theirs.
#pragma once

#include "step/kernels/linear/sources.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// From the l-th of eight lanes, which has eights l and l + 8 of a group, to one that has 2 l and 2 l + 1.
// In each of two rounds every lane gives one of its own.
__device__ __forceinline__ void trade_eights(Eight& low, Eight& high) {
  const int lane = static_cast<int>(threadIdx.x) % kMiddleLanes;
  const bool is_odd = lane % 2 != 0;
  const bool wants_high = lane >= kMiddleLanes / 2;
  const int even_giver = lane * 2 % kMiddleLanes;
  const int first_giver = even_giver + static_cast<int>(wants_high);
  const int second_giver = even_giver + static_cast<int>(!wants_high);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float first =
        __shfl_sync(kAllLanes, is_odd ? high[i] : low[i], first_giver, kMiddleLanes);
    const float second =
        __shfl_sync(kAllLanes, is_odd ? low[i] : high[i], second_giver, kMiddleLanes);
    low[i] = wants_high ? second : first;
    high[i] = wants_high ? first : second;
  }
}

// The calling lane's 16 columns, which `place` begins with, as a norm reads them; all of them are asked for
// at once. By all lanes of a warp; those of a place exist or not together.
template <class Source>
__device__ __forceinline__ void poll_rows_at_once(const Source& source, const Place& place,
                                                  const typename Source::Address& address,
                                                  bool exists, Values<16>& values) {
  Eight& low = reinterpret_cast<Eight&>(values[0]);
  Eight& high = reinterpret_cast<Eight&>(values[8]);
  if (exists) {
    constexpr int kHalf = kGroup / 2;
    const int back = -8 * (static_cast<int>(threadIdx.x) % kMiddleLanes);
    const Place low_place = place.advanced(back);
    const Place high_place = place.advanced(back + kHalf);
    const auto low_address = advance(address, back);
    const auto high_address = advance(address, back + kHalf);
    auto low_raw = source.template load<8>(low_place, low_address);
    auto high_raw = source.template load<8>(high_place, high_address);
    source.template receive<8>(low_place, low_address, low_raw, low);
    source.template receive<8>(high_place, high_address, high_raw, high);
  }
  __syncwarp();
  trade_eights(low, high);
}

// More columns, of two places of the warp at a time, with 16 lanes for each. Neighboring lanes
// have neighboring columns.
template <int kCount, class Source>
__device__ __forceinline__ void poll_rows(const Source& source, const Place& place, bool exists,
                                          Values<kCount>& values) {
  constexpr int kLanes = kGroup / kCount;  // of a place
  constexpr int kUnits = kCount / 8;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int place_of_lane = lane / kLanes;
  // Which lane polls for the first of this one's units.
  const int first_giver = place_of_lane % 2 * kNarrowLanes + lane % kLanes * kUnits;
  // Polls take many registers and instructions, hence one after another.
#pragma unroll 1
  for (int pair = 0; pair < 32 / kLanes / 2; ++pair) {
    const int taker = (2 * pair + lane / kNarrowLanes) * kLanes;
    Place part = place;
    part.token = __shfl_sync(kAllLanes, place.token, taker);
    part.column = __shfl_sync(kAllLanes, place.column, taker) + lane % kNarrowLanes * 8;
    Eight sums = {};
    if (__shfl_sync(kAllLanes, static_cast<int>(exists), taker) != 0) {
      const auto address = source.address(part);
      auto raw = source.template load<8>(part, address);
      source.template receive<8>(part, address, raw, sums);
    }
    __syncwarp();
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float given = __shfl_sync(kAllLanes, sums[i], first_giver + unit);
        if (place_of_lane / 2 == pair) values[unit * 8 + i] = given;
      }
    }
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
