// Whether a result is what the GPU gave, within the bound that PTX states for the form.
//
//   exact               the same bits
//   relative E          within 2^E of the value
//   absolute E          within 2^E
//   ulp N               within N units in the last place
//   division N          the same, for divisors from 2^-126 to 2^126; others are not defined
//   logarithm E         within 2^E, or 2^E of the value
//   bitfield            the same bits, for positions and lengths up to 255; others are not defined
//   trigonometric E     within 2^E for angles up to pi; others are not defined
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace slipstream::record_vectors {

enum class Agreement : uint8_t { kEqual, kWithinBound, kDifferent };

struct Comparison {
  std::string bound;
  std::string type;  // of the result
  uint64_t expected = 0;
  uint64_t found = 0;
  std::span<const uint64_t> operands;
};

Agreement compare(const Comparison& comparison);

}  // namespace slipstream::record_vectors
