// Values of a warp between memory and registers, once it is known where all lanes' are. An access moves kCount elements of
// type T for each lane, which lie one after the other in memory; registers have the lanes of one element together.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "emulator/instructions/lane_vectors.h"
#include "emulator/instructions/lanes.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

// Whether lanes are in memory as they are in registers, in vectors.
template <class T>
inline constexpr bool kHasVectors = sizeof(T) > 1 && sizeof(T) <= sizeof(uint64_t);

template <class T, size_t kCount>
using Registers = std::array<Lane<T>*, kCount>;
template <class T, size_t kCount>
Registers<T, kCount> registers_of(const Operation& operation, Warp& warp, size_t first) {
  Registers<T, kCount> registers;
  for (size_t i = 0; i < kCount; ++i) registers[i] = operand<Lane<T>>(operation, warp, first + i);
  return registers;
}

template <class T>
Lane<T> read_element(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return static_cast<Lane<T>>(value);
}

// All lanes in a row.
template <class T, size_t kCount>
void load_row(const Registers<T, kCount>& to, const std::byte* memory) {
  const auto* const from = reinterpret_cast<const T*>(memory);
  if constexpr (kHasVectors<T>) {
    for (size_t lane = 0; lane < kWarpSize; lane += kLanesTogether<T>) {
      split_row<T, kCount>(from + lane * kCount, [&](size_t element, LaneVector<T> values) {
        vector_at(to[element] + lane) = values;
      });
    }
  } else {
    for (size_t i = 0; i < kCount; ++i) {
      Lane<T>* const element = to[i];
#pragma GCC ivdep
      for (size_t lane = 0; lane < kWarpSize; ++lane) {
        element[lane] = static_cast<Lane<T>>(from[lane * kCount + i]);
      }
    }
  }
}
template <class T, size_t kCount>
void store_row(const Registers<T, kCount>& from, std::byte* memory) {
  auto* const to = reinterpret_cast<T*>(memory);
  if constexpr (kHasVectors<T>) {
    for (size_t lane = 0; lane < kWarpSize; lane += kLanesTogether<T>) {
      join_row<T, kCount>(to + lane * kCount, [&](size_t element) -> LaneVector<T> {
        return vector_at(from[element] + lane);
      });
    }
  } else {
    for (size_t i = 0; i < kCount; ++i) {
      const Lane<T>* const element = from[i];
#pragma GCC ivdep
      for (size_t lane = 0; lane < kWarpSize; ++lane) {
        to[lane * kCount + i] = static_cast<T>(element[lane]);
      }
    }
  }
}

// All lanes from the same place.
template <class T, size_t kCount>
void load_same(const Registers<T, kCount>& to, uint32_t executing, const std::byte* from) {
  for (size_t i = 0; i < kCount; ++i) {
    alignas(64) std::array<Lane<T>, kWarpSize> values;
    values.fill(read_element<T>(from + i * sizeof(T)));
    if (executing == kAllLanes) {
      std::copy_n(values.data(), kWarpSize, to[i]);
    } else {
      assign_lanes(to[i], values.data(), executing);
    }
  }
}

// Lane n from place_of(n), which is memory whether or not the lane executes.
template <class T, size_t kCount, class PlaceOf>
void load_lanes(const Registers<T, kCount>& to, uint32_t executing, PlaceOf place_of) {
  if constexpr (sizeof(T) > sizeof(uint64_t)) {
    for_each_lane(executing, [&](uint32_t lane) {
      for (size_t i = 0; i < kCount; ++i) {
        to[i][lane] = read_element<T>(place_of(lane) + i * sizeof(T));
      }
    });
  } else {
    using Vector = LaneVector<Lane<T>>;
    for (uint32_t lane = 0; lane < kWarpSize; lane += kLanesTogether<Lane<T>>) {
      for (size_t i = 0; i < kCount; ++i) {
        const Vector values = [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
          return Vector{read_element<T>(place_of(lane + kIndex) + i * sizeof(T))...};
        }
        (std::make_index_sequence<kLanesTogether<Lane<T>>>{});
        Vector& target = vector_at(to[i] + lane);
        target = executing == kAllLanes
                     ? values
                     : choose<Lane<T>>(executing >> lane, values, Vector{target});
      }
    }
  }
}
template <class T, size_t kCount, class PlaceOf>
void store_lanes(const Registers<T, kCount>& from, uint32_t executing, PlaceOf place_of) {
  const auto store_one = [&](uint32_t lane) {
    std::byte* const to = place_of(lane);
    for (size_t i = 0; i < kCount; ++i) {
      const T value = static_cast<T>(from[i][lane]);
      std::memcpy(to + i * sizeof(T), &value, sizeof(T));
    }
  };
  if (executing == kAllLanes) {
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) store_one(lane);
  } else {
    for_each_lane(executing, store_one);
  }
}

}  // namespace slipstream::emulator
