// Numbers between two bounds, in equal steps: what is known of an address or an index that is not one
// constant.
#pragma once

#include <cstdint>
#include <optional>

#include "check/lower/ir.h"

namespace slipstream::check {

// All are first + k * step. Products and sums are taken not to overflow: they are to give addresses.
struct NumberRange {
  static constexpr int64_t kUnbounded = int64_t{1} << 31;

  uint32_t variable = kNone;  // in shared memory, to whose address they are added
  int64_t first = 0;
  int64_t step = 1;  // 0: there is only one
  int64_t least = -kUnbounded;
  int64_t most = kUnbounded;

  static NumberRange one(int64_t number);
  static NumberRange between(int64_t least, int64_t most, int64_t step = 1);

  [[nodiscard]] bool is_one() const { return step == 0; }
  [[nodiscard]] bool is_number() const { return variable == kNone; }
  [[nodiscard]] bool has_least() const { return least > -kUnbounded; }
  [[nodiscard]] bool has_most() const { return most < kUnbounded; }

  bool operator==(const NumberRange&) const = default;
};

[[nodiscard]] NumberRange sum_of(const NumberRange& a, const NumberRange& b);
[[nodiscard]] NumberRange negated(const NumberRange& a);
[[nodiscard]] NumberRange product_of(const NumberRange& a, const NumberRange& b);
[[nodiscard]] NumberRange shifted_left(const NumberRange& a, const NumberRange& bits);
[[nodiscard]] NumberRange shifted_right(const NumberRange& a, const NumberRange& bits);
[[nodiscard]] NumberRange and_of(const NumberRange& a, const NumberRange& b);
[[nodiscard]] NumberRange or_of(const NumberRange& a, const NumberRange& b);
[[nodiscard]] NumberRange xor_of(const NumberRange& a, const NumberRange& b);

// What may be in one or the other.
[[nodiscard]] NumberRange either_of(const NumberRange& a, const NumberRange& b);
// The same for one that has grown often already: a bound that moves again is none.
[[nodiscard]] NumberRange widened(const NumberRange& before, const NumberRange& a);
// Those of which "compared with `number`" holds, or does not; none, if there are none.
[[nodiscard]] std::optional<NumberRange> narrowed(const NumberRange& a, Comparison comparison,
                                                  int64_t number, bool holds);
// Whether some number may be in both.
[[nodiscard]] bool may_meet(const NumberRange& a, const NumberRange& b);

}  // namespace slipstream::check
