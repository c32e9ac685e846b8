// Some lanes of a register as a vector of the compiler's own, and what becomes of it: chosen by a mask, split, joined. Loops
// that do such things, or look at several at once, it does not make vector instructions of.
//
// A register is written and read by whole vectors wherever that can be done. Where single lanes have just been written, a
// vector that is read waits until they have reached the cache, which takes longer than most instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace slipstream::emulator {

template <class T>
using LaneVector [[gnu::vector_size(32), gnu::may_alias, gnu::aligned(alignof(T))]] = T;
template <class T>
inline constexpr uint32_t kLanesTogether = sizeof(LaneVector<T>) / sizeof(T);

template <class T>
LaneVector<T>& vector_at(T* lanes) {
  return *reinterpret_cast<LaneVector<T>*>(lanes);
}
template <class T>
const LaneVector<T>& vector_at(const T* lanes) {
  return *reinterpret_cast<const LaneVector<T>*>(lanes);
}

// Elements of `chosen` where the mask has their bit, else of `others`.
template <class T>
LaneVector<T> choose(uint32_t mask, LaneVector<T> chosen, LaneVector<T> others) {
  LaneVector<T> bits;
  for (uint32_t i = 0; i < kLanesTogether<T>; ++i) bits[i] = static_cast<T>(T{1} << i);
  return (bits & static_cast<T>(mask)) != 0 ? chosen : others;
}

// Of two vectors in a row: elements kFirst, kFirst + 2 and so on.
template <class T, size_t kFirst>
LaneVector<T> every_other(LaneVector<T> a, LaneVector<T> b) {
  return [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    return __builtin_shufflevector(a, b, (kFirst + 2 * kIndex)...);
  }
  (std::make_index_sequence<kLanesTogether<T>>{});
}
// The other way: elements of the two in turn, from kFirst of each on.
template <class T, size_t kFirst>
LaneVector<T> in_turn(LaneVector<T> a, LaneVector<T> b) {
  return [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    return __builtin_shufflevector(
        a, b, (kFirst + kIndex / 2 + (kIndex % 2 == 0 ? 0 : kLanesTogether<T>))...);
  }
  (std::make_index_sequence<kLanesTogether<T>>{});
}

// Calls to(element, vector) for what each lane has one, two or four of, one after the other at `row`: a vector of each. Not
// by arrays of vectors, which the compiler would keep in memory.
template <class T, size_t kCount, class To>
void split_row(const T* row, To to) {
  static_assert(kCount == 1 || kCount == 2 || kCount == 4);
  const auto at = [row](size_t place) -> LaneVector<T> {
    return vector_at(row + place * kLanesTogether<T>);
  };
  if constexpr (kCount == 1) {
    to(0, at(0));
  } else if constexpr (kCount == 2) {
    to(0, every_other<T, 0>(at(0), at(1)));
    to(1, every_other<T, 1>(at(0), at(1)));
  } else {
    const LaneVector<T> a = every_other<T, 0>(at(0), at(1));
    const LaneVector<T> b = every_other<T, 0>(at(2), at(3));
    const LaneVector<T> c = every_other<T, 1>(at(0), at(1));
    const LaneVector<T> d = every_other<T, 1>(at(2), at(3));
    to(0, every_other<T, 0>(a, b));
    to(1, every_other<T, 0>(c, d));
    to(2, every_other<T, 1>(a, b));
    to(3, every_other<T, 1>(c, d));
  }
}
// The other way: from(element) gives the vectors.
template <class T, size_t kCount, class From>
void join_row(T* row, From from) {
  static_assert(kCount == 1 || kCount == 2 || kCount == 4);
  const auto put = [row](size_t place, LaneVector<T> values) {
    vector_at(row + place * kLanesTogether<T>) = values;
  };
  constexpr size_t kHalf = kLanesTogether<T> / 2;
  if constexpr (kCount == 1) {
    put(0, from(0));
  } else if constexpr (kCount == 2) {
    const LaneVector<T> a = from(0);
    const LaneVector<T> b = from(1);
    put(0, in_turn<T, 0>(a, b));
    put(1, in_turn<T, kHalf>(a, b));
  } else {
    const LaneVector<T> a = from(0);
    const LaneVector<T> b = from(1);
    const LaneVector<T> c = from(2);
    const LaneVector<T> d = from(3);
    const LaneVector<T> first_even = in_turn<T, 0>(a, c);
    const LaneVector<T> first_odd = in_turn<T, 0>(b, d);
    const LaneVector<T> last_even = in_turn<T, kHalf>(a, c);
    const LaneVector<T> last_odd = in_turn<T, kHalf>(b, d);
    put(0, in_turn<T, 0>(first_even, first_odd));
    put(1, in_turn<T, kHalf>(first_even, first_odd));
    put(2, in_turn<T, 0>(last_even, last_odd));
    put(3, in_turn<T, kHalf>(last_even, last_odd));
  }
}

}  // namespace slipstream::emulator
