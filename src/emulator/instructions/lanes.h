// Lane-wise access to the register file, and handlers made of a function on one lane.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "emulator/decoder/builder.h"
#include "emulator/instructions/lane_vectors.h"
#include "emulator/machine/warp.h"
#include "emulator/program/operation.h"
#include "emulator/program/types.h"

namespace slipstream::emulator {

// What a lane of a register is. Bytes travel in 16-bit registers; of a source only the low byte counts.
template <class T>
using Lane = std::conditional_t<sizeof(T) == 1,
                                std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>, T>;

// The 32 lanes of the register at `offset`.
template <class T>
T* lanes(Warp& warp, uint32_t offset) {
  return reinterpret_cast<T*>(warp.registers + offset);
}
template <class T>
T* operand(const Operation& operation, Warp& warp, size_t index) {
  return lanes<T>(warp, operation.operands[index]);
}
// An address operand and the offset that follows it (Builder::read_address_and_offset).
inline uint64_t address_at(const Operation& operation, Warp& warp, size_t index, uint32_t lane) {
  return operand<const uint64_t>(operation, warp, index)[lane] +
         operand<const uint64_t>(operation, warp, index + 1)[lane];
}
inline uint32_t& predicate(const Operation& operation, Warp& warp, size_t index) {
  return *lanes<uint32_t>(warp, operation.operands[index]);
}
// Sets the executing lanes of a predicate to those of `value`.
inline void assign(uint32_t& target, uint32_t value, uint32_t executing) {
  target = (target & ~executing) | (value & executing);
}
inline bool has_lane(uint32_t mask, uint32_t lane) { return ((mask >> lane) & 1U) != 0; }

// Calls function(lane) for each lane in the mask, in order.
template <class Function>
void for_each_lane(uint32_t mask, Function function) {
  for (; mask != 0; mask &= mask - 1) function(static_cast<uint32_t>(__builtin_ctz(mask)));
}

// The unsigned integer as wide as a lane. Lanes have two bytes at least.
template <class T>
requires(sizeof(T) >= 2) using LaneBits = std::conditional_t<
    sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;

// Sets the lanes of a register to those of `chosen` where `mask` has their bit, else to those of `others`, either of
// which it may be.
template <class T>
void choose_lanes(T* target, const T* chosen, const T* others, uint32_t mask) {
  if constexpr (sizeof(T) > sizeof(uint64_t)) {
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      target[lane] = has_lane(mask, lane) ? chosen[lane] : others[lane];
    }
  } else {
    using Bits = LaneBits<T>;
    const auto bits_at = [](auto* from) { return reinterpret_cast<const Bits*>(from); };
    for (uint32_t lane = 0; lane < kWarpSize; lane += kLanesTogether<Bits>) {
      vector_at(reinterpret_cast<Bits*>(target + lane)) = choose<Bits>(
          mask >> lane, vector_at(bits_at(chosen + lane)), vector_at(bits_at(others + lane)));
    }
  }
}
template <class T>
void assign_lanes(T* target, const T* values, uint32_t executing) {
  choose_lanes(target, values, target, executing);
}

// Handler: operand 0 = kFunction(operand 1, operand 2, ...), lane by lane.
//
// kFunction must be harmless for lanes that do not execute: it is called for all, and the results
// of the others are dropped, so that the loop becomes vector instructions. It does only where the
// operands' places are in variables of their own: the compiler must see that no result changes them.
template <auto kFunction, class Result, class... Sources>
Step elementwise(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto apply = [](Result* const result, const Sources* const... sources) {
#pragma GCC ivdep
    for (size_t lane = 0; lane < kWarpSize; ++lane) result[lane] = kFunction(sources[lane]...);
  };
  return [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    auto* const result = lanes<Result>(warp, operation.operands[0]);
    if (executing == kAllLanes) {
      apply(result, lanes<const Sources>(warp, operation.operands[1 + kIndex])...);
    } else {
      alignas(64) std::array<Result, kWarpSize> values;
      apply(values.data(), lanes<const Sources>(warp, operation.operands[1 + kIndex])...);
      assign_lanes(result, values.data(), executing);
    }
    return Step::kNext;
  }
  (std::index_sequence_for<Sources...>{});
}

// The same for functions that must not be called for lanes that do not execute, such as division.
template <auto kFunction, class Result, class... Sources>
Step lane_by_lane(const Operation& operation, Warp& warp, uint32_t executing) {
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    auto* const result = lanes<Result>(warp, operation.operands[0]);
    for_each_lane(executing, [&](uint32_t lane) {
      result[lane] = kFunction(lanes<const Sources>(warp, operation.operands[1 + kIndex])[lane]...);
    });
  }
  (std::index_sequence_for<Sources...>{});
  return Step::kNext;
}

// Adds operands "d, a, b, ..." with the PTX types of the handler's C++ types.
template <class Result, class... Sources>
void read_operands(Builder& builder) {
  builder.expect_operands(1 + sizeof...(Sources), 1 + sizeof...(Sources));
  builder.write(0, kPtxType<Result>);
  size_t index = 1;
  (builder.read(index++, kPtxType<Sources>), ...);
}

// Build function of a form whose handler is elementwise<kFunction, Result, Sources...>.
template <auto kFunction, class Result, class... Sources>
void build(Builder& builder) {
  read_operands<Result, Sources...>(builder);
  builder.set_handler(&elementwise<kFunction, Result, Sources...>);
}
template <auto kFunction, class Result, class... Sources>
void build_lane_by_lane(Builder& builder) {
  read_operands<Result, Sources...>(builder);
  builder.set_handler(&lane_by_lane<kFunction, Result, Sources...>);
}

}  // namespace slipstream::emulator
