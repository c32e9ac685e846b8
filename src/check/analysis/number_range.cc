#include "check/analysis/number_range.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>

namespace slipstream::check {
namespace {

constexpr int64_t kUnbounded = NumberRange::kUnbounded;

int64_t remainder(int64_t number, int64_t step) {
  const int64_t rest = number % step;
  return rest < 0 ? rest + step : rest;
}

// The largest power of two that divides the number, which is not 0.
int64_t power_of_two_in(int64_t number) { return number & -number; }

// Moves the bounds to numbers that are in it, and begins with one of them. The bounds must not cross.
NumberRange exact(NumberRange a) {
  if (a.step > kUnbounded || a.least >= kUnbounded || a.most <= -kUnbounded) return {};
  if (a.is_one()) {
    if (std::abs(a.first) >= kUnbounded) return {};
    a.least = a.most = a.first;
    return a;
  }
  a.first = remainder(a.first, a.step);
  a.least = std::max(a.least, -kUnbounded);
  a.most = std::min(a.most, kUnbounded);
  if (a.has_least()) a.least += remainder(a.first - a.least, a.step);
  if (a.has_most()) a.most -= remainder(a.most - a.first, a.step);
  if (a.least == a.most) a.step = 0;
  if (a.has_least() || a.has_most()) a.first = a.has_least() ? a.least : a.most;
  return a;
}

// A sum of bounds, of which one that is none makes none.
int64_t add_bounds(int64_t a, int64_t b, int64_t none) {
  return a == none || b == none ? none : a + b;
}

NumberRange times(const NumberRange& a, int64_t factor) {
  if (factor == 0) return NumberRange::one(0);
  if (factor < 0) return negated(times(a, -factor));
  NumberRange result{.first = a.first * factor, .step = a.step * factor};
  if (a.has_least()) result.least = a.least * factor;
  if (a.has_most()) result.most = a.most * factor;
  return exact(result);
}

// Bits that may be set in one of them; all, if one may be negative or large.
uint64_t possible_bits(const NumberRange& a) {
  if (a.is_one()) return static_cast<uint64_t>(a.first);
  if (a.least < 0 || !a.has_most()) return ~uint64_t{0};
  const auto low = static_cast<uint64_t>(power_of_two_in(a.step)) - 1;
  return ((std::bit_ceil(static_cast<uint64_t>(a.most) + 1) - 1) & ~low) |
         (static_cast<uint64_t>(a.first) & low);
}

// Of bits of which none is set in both, or of numbers of so many bits that none more can be set.
NumberRange combined(const NumberRange& a, const NumberRange& b) {
  const uint64_t bits = possible_bits(a) | possible_bits(b);
  if ((possible_bits(a) & possible_bits(b)) == 0) return sum_of(a, b);
  if (bits >= static_cast<uint64_t>(kUnbounded)) return {};
  return NumberRange::between(0, static_cast<int64_t>(std::bit_ceil(bits + 1) - 1));
}

// Keeps the bits of a mask that is not negative.
NumberRange keep_bits(const NumberRange& a, int64_t mask) {
  const bool is_low = std::has_single_bit(static_cast<uint64_t>(mask) + 1);
  if (!is_low) return NumberRange::between(0, mask, power_of_two_in(mask));
  if (a.least >= 0 && a.most <= mask) return a;
  const int64_t step = std::min(power_of_two_in(a.step), mask + 1);
  return exact({.first = remainder(a.first, step), .step = step, .least = 0, .most = mask});
}

// Clears the bits below `unit`, a power of two.
NumberRange round_down(const NumberRange& a, int64_t unit) {
  if (a.step % unit == 0) return sum_of(a, NumberRange::one(-remainder(a.first, unit)));
  NumberRange result{.first = 0, .step = unit};
  if (a.has_least()) result.least = a.least - remainder(a.least, unit);
  if (a.has_most()) result.most = a.most - remainder(a.most, unit);
  return exact(result);
}

Comparison opposite(Comparison comparison) {
  switch (comparison) {
    case Comparison::kNever:
      return Comparison::kAlways;
    case Comparison::kLess:
      return Comparison::kGreaterEqual;
    case Comparison::kEqual:
      return Comparison::kNotEqual;
    case Comparison::kLessEqual:
      return Comparison::kGreater;
    case Comparison::kGreater:
      return Comparison::kLessEqual;
    case Comparison::kNotEqual:
      return Comparison::kEqual;
    case Comparison::kGreaterEqual:
      return Comparison::kLess;
    case Comparison::kAlways:
      return Comparison::kNever;
  }
  return Comparison::kAlways;
}

void leave_out(NumberRange& a, int64_t number) {
  const int64_t step = a.is_one() ? 1 : a.step;
  if (a.least == number) a.least += step;
  if (a.most == number) a.most -= step;
}

}  // namespace

NumberRange NumberRange::one(int64_t number) {
  return {.first = number, .step = 0, .least = number, .most = number};
}

NumberRange NumberRange::between(int64_t least, int64_t most, int64_t step) {
  return exact({.first = least, .step = step, .least = least, .most = most});
}

NumberRange sum_of(const NumberRange& a, const NumberRange& b) {
  if (!a.is_number() && !b.is_number()) return {};
  return exact({.variable = a.is_number() ? b.variable : a.variable,
                .first = a.first + b.first,
                .step = std::gcd(a.step, b.step),
                .least = add_bounds(a.least, b.least, -kUnbounded),
                .most = add_bounds(a.most, b.most, kUnbounded)});
}

NumberRange negated(const NumberRange& a) {
  if (!a.is_number()) return {};
  return exact({.first = -a.first, .step = a.step, .least = -a.most, .most = -a.least});
}

NumberRange product_of(const NumberRange& a, const NumberRange& b) {
  if (!a.is_one() && b.is_one()) return product_of(b, a);
  if (!a.is_one() || !a.is_number() || !b.is_number()) return {};
  return times(b, a.first);
}

NumberRange shifted_left(const NumberRange& a, const NumberRange& bits) {
  constexpr int64_t kMost = 31;
  if (!a.is_number() || !bits.is_one() || bits.first < 0 || bits.first > kMost) return {};
  return times(a, int64_t{1} << bits.first);
}

NumberRange shifted_right(const NumberRange& a, const NumberRange& bits) {
  constexpr int64_t kMost = 31;
  if (!a.is_number() || !bits.is_one() || bits.first < 0 || bits.first > kMost) return {};
  if (a.least < 0) return {};
  const int64_t unit = int64_t{1} << bits.first;
  const bool exactly = a.step % unit == 0 && a.first % unit == 0;
  NumberRange result{.first = a.first / unit, .step = exactly ? a.step / unit : 1};
  result.least = a.least / unit;
  if (a.has_most()) result.most = a.most / unit;
  return exact(result);
}

NumberRange and_of(const NumberRange& a, const NumberRange& b) {
  if (!a.is_one() && b.is_one()) return and_of(b, a);
  if (!a.is_one() || !a.is_number() || !b.is_number()) return {};
  const int64_t mask = a.first;
  if (mask == 0 || b.is_one()) return NumberRange::one(mask & b.first);
  if (mask > 0) return keep_bits(b, mask);
  const bool is_high = std::has_single_bit(static_cast<uint64_t>(-mask));
  return is_high ? round_down(b, -mask) : NumberRange{};
}

NumberRange or_of(const NumberRange& a, const NumberRange& b) {
  if (!a.is_number() || !b.is_number()) return {};
  if (a.is_one() && b.is_one()) return NumberRange::one(a.first | b.first);
  return combined(a, b);
}

NumberRange xor_of(const NumberRange& a, const NumberRange& b) {
  if (!a.is_number() || !b.is_number()) return {};
  if (a.is_one() && b.is_one()) return NumberRange::one(a.first ^ b.first);
  return combined(a, b);
}

NumberRange either_of(const NumberRange& a, const NumberRange& b) {
  if (a.variable != b.variable) return {};
  return exact({.variable = a.variable,
                .first = a.first,
                .step = std::gcd(std::gcd(a.step, b.step), a.first - b.first),
                .least = std::min(a.least, b.least),
                .most = std::max(a.most, b.most)});
}

NumberRange widened(const NumberRange& before, const NumberRange& a) {
  NumberRange result = either_of(before, a);
  if (result.least < before.least) result.least = -kUnbounded;
  if (result.most > before.most) result.most = kUnbounded;
  return exact(result);
}

std::optional<NumberRange> narrowed(const NumberRange& a, Comparison comparison, int64_t number,
                                    bool holds) {
  if (!a.is_number()) return a;
  NumberRange result = a;
  switch (holds ? comparison : opposite(comparison)) {
    case Comparison::kLess:
      result.most = std::min(result.most, number - 1);
      break;
    case Comparison::kLessEqual:
      result.most = std::min(result.most, number);
      break;
    case Comparison::kGreater:
      result.least = std::max(result.least, number + 1);
      break;
    case Comparison::kGreaterEqual:
      result.least = std::max(result.least, number);
      break;
    case Comparison::kEqual:
      result.least = std::max(result.least, number);
      result.most = std::min(result.most, number);
      break;
    case Comparison::kNotEqual:
      leave_out(result, number);
      break;
    case Comparison::kNever:
      return std::nullopt;
    case Comparison::kAlways:
      return a;
  }
  if (result.least > result.most) return std::nullopt;
  if (a.is_one()) return a;
  result = exact(result);
  return result.least > result.most ? std::nullopt : std::optional(result);
}

bool may_meet(const NumberRange& a, const NumberRange& b) {
  // A number that is not known may be any variable's address.
  if (a.variable != b.variable) return a.is_number() || b.is_number();
  if (a.least > b.most || b.least > a.most) return false;
  const int64_t step = std::gcd(a.step, b.step);
  return step == 0 ? a.first == b.first : (a.first - b.first) % step == 0;
}

}  // namespace slipstream::check
