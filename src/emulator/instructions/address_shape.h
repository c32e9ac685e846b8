// How the addresses of a warp's lanes lie to each other, and flags of bytes by rows.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emulator/program/operation.h"

namespace slipstream::emulator {

// In the compiler's own vectors: it makes none of loops that look at several things at once.
template <class Base>
using Vector [[gnu::vector_size(32)]] = Base;
template <class Base>
constexpr uint32_t kTogether = sizeof(Vector<Base>) / sizeof(Base);

template <class Base>
Vector<Base> count_up() {
  Vector<Base> places;
  for (uint32_t i = 0; i < kTogether<Base>; ++i) places[i] = i;
  return places;
}
template <class Base>
Vector<Base> splat(Base value) {
  return Vector<Base>{} + value;
}
template <class Base>
bool is_zero(Vector<Base> bits) {
  const auto all = reinterpret_cast<__m256i>(bits);
  return _mm256_testz_si256(all, all) != 0;
}

// Some lanes of the register of addresses; those of lanes that do not execute are that of the first which does.
template <class Base>
Vector<Base> bases_at(const Base* base, uint32_t lane, uint32_t executing, Base first) {
  const auto from = *reinterpret_cast<const Vector<Base>*>(base + lane);
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
  Vector<Base> expected = count_up<Base>() * step + base[0];
  Vector<Base> differs{};
  for (uint32_t lane = 0; lane < kWarpSize; lane += kTogether<Base>) {
    differs |= *reinterpret_cast<const Vector<Base>*>(base + lane) ^ expected;
    expected += kTogether<Base> * step;
  }
  const bool is_regular = is_zero<Base>(differs);
  return {is_regular && step != 0, is_regular && step == 0};
}
template <class Base>
Shape shape_of(const Base* base, uint32_t executing, uint32_t first, uint32_t bytes) {
  if (executing == kAllLanes) return shape_of(base, bytes);
  Vector<Base> apart{};
  for (uint32_t lane = 0; lane < kWarpSize; lane += kTogether<Base>) {
    apart |= bases_at(base, lane, executing, base[first]) - base[first];
  }
  return {false, is_zero<Base>(apart)};
}

inline bool all_written(const uint8_t* flags, size_t bytes) {
  constexpr uint64_t kAll = 0x0101010101010101ULL;
  auto row = splat(kAll);
  size_t i = 0;
  for (; i + sizeof(row) <= bytes; i += sizeof(row)) {
    Vector<uint64_t> some;
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
