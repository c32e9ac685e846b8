// How the addresses of a warp's lanes lie to each other, and flags of bytes by rows.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emulator/instructions/lane_vectors.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

template <class Base>
LaneVector<Base> count_up() {
  LaneVector<Base> places;
  for (uint32_t i = 0; i < kLanesTogether<Base>; ++i) places[i] = i;
  return places;
}
template <class Base>
LaneVector<Base> splat(Base value) {
  return LaneVector<Base>{} + value;
}
template <class Base>
bool is_zero(LaneVector<Base> bits) {
  const auto all = reinterpret_cast<__m256i>(bits);
  return _mm256_testz_si256(all, all) != 0;
}

// Some lanes of the register of addresses; those of lanes that do not execute are that of the first which does.
template <class Base>
LaneVector<Base> bases_at(const Base* base, uint32_t lane, uint32_t executing, Base first) {
  const LaneVector<Base> from = vector_at(base + lane);
  if (executing == kAllLanes) return from;
  const auto executes = (splat<Base>(executing >> lane) >> count_up<Base>() & 1) != 0;
  return executes ? from : splat(first);
}

struct Shape {
  bool is_row = false;   // all lanes execute, and each begins where the one before ends
  bool is_same = false;  // of all lanes that execute
};

// Of a whole warp. The first two lanes say what the others may have in common.
template <class Base>
Shape shape_of(const Base* base, uint32_t bytes) {
  const Base step = base[1] - base[0];
  if (step != 0 && step != bytes) return {};
  LaneVector<Base> expected = count_up<Base>() * step + base[0];
  LaneVector<Base> differs{};
  for (uint32_t lane = 0; lane < kWarpSize; lane += kLanesTogether<Base>) {
    differs |= vector_at(base + lane) ^ expected;
    expected += kLanesTogether<Base> * step;
  }
  const bool is_regular = is_zero<Base>(differs);
  return {is_regular && step != 0, is_regular && step == 0};
}
template <class Base>
Shape shape_of(const Base* base, uint32_t executing, uint32_t first, uint32_t bytes) {
  if (executing == kAllLanes) return shape_of(base, bytes);
  LaneVector<Base> apart{};
  for (uint32_t lane = 0; lane < kWarpSize; lane += kLanesTogether<Base>) {
    apart |= bases_at(base, lane, executing, base[first]) - base[first];
  }
  return {false, is_zero<Base>(apart)};
}

// shape_of() where the number of bytes is known: one way through for rows and single places, which take turns.
template <uint32_t kBytes, class Base>
[[gnu::always_inline]] inline Shape shape_of_warp(const Base* base) {
  const Base step = base[1] - base[0];
  if (step != 0 && step != kBytes) return {};
  const LaneVector<Base> moves = splat<Base>(step == 0 ? 0 : ~Base{0});
  const LaneVector<Base> first = splat(base[0]);
  LaneVector<Base> differs{};
  for (uint32_t lane = 0; lane < kWarpSize; lane += kLanesTogether<Base>) {
    const LaneVector<Base> distance = (count_up<Base>() + lane) * kBytes;
    differs |= vector_at(base + lane) ^ (first + (distance & moves));
  }
  const bool is_regular = is_zero<Base>(differs);
  return {is_regular && step != 0, is_regular && step == 0};
}

inline bool all_written(const uint8_t* flags, size_t bytes) {
  constexpr uint64_t kAll = 0x0101010101010101ULL;
  auto row = splat(kAll);
  size_t i = 0;
  for (; i + sizeof(row) <= bytes; i += sizeof(row)) {
    LaneVector<uint64_t> some;
    std::memcpy(&some, flags + i, sizeof(some));
    row &= some;
  }
  uint64_t words = kAll;
  for (; i + sizeof(words) <= bytes; i += sizeof(words)) {
    uint64_t word = 0;
    std::memcpy(&word, flags + i, sizeof(word));
    words &= word;
  }
  bool all = words == kAll && is_zero<uint64_t>(row ^ kAll);
  for (; i < bytes; ++i) all = flags[i] != 0 && all;
  return all;
}

}  // namespace slipstream::emulator
