#include "compare.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <stdexcept>

namespace slipstream::record_vectors {
namespace {

double half_value(uint64_t bits) {
  const auto exponent = static_cast<int>(bits >> 10U & 0x1fU);
  const auto mantissa = static_cast<double>(bits & 0x3ffU);
  const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
  if (exponent == 31) {
    return mantissa == 0 ? sign * HUGE_VAL : std::nan("");
  }
  return sign *
         (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25));
}

double float_value(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

double value_of(const std::string& type, uint64_t bits) {
  if (type == "f32") {
    return float_value(bits);
  }
  if (type == "f64") {
    return std::bit_cast<double>(bits);
  }
  if (type == "f16") {
    return half_value(bits);
  }
  if (type == "bf16") {
    return float_value(bits << 16U);
  }
  throw std::runtime_error("results of type " + type + " must have the bound exact");
}

struct Bound {
  std::string kind;
  int amount = 0;
};

Bound parse_bound(const std::string& text) {
  const size_t blank = text.find(' ');
  return {text.substr(0, blank),
          blank == std::string::npos ? 0 : std::atoi(text.c_str() + blank + 1)};
}

// The distance of neighboring f32 values at `value`.
double ulp_at(double value) {
  const auto magnitude = static_cast<float>(std::fabs(value));
  return static_cast<double>(std::nextafter(magnitude, HUGE_VALF)) - static_cast<double>(magnitude);
}

bool is_defined(const Bound& bound, std::span<const uint64_t> operands) {
  constexpr uint64_t kLargestField = 255;
  if (bound.kind == "bitfield") {
    const auto fields = operands.last(2);
    return fields[0] <= kLargestField && fields[1] <= kLargestField;
  }
  if (bound.kind == "division") {
    const double divisor = std::fabs(float_value(operands[1]));
    return divisor >= std::ldexp(1.0, -126) && divisor <= std::ldexp(1.0, 126);
  }
  return bound.kind != "trigonometric" ||
         std::fabs(float_value(operands[0])) <= std::numbers::pi_v<float>;
}

// The smallest value of the type: no relative bound is narrower than that.
double smallest_of(const std::string& type) {
  return type == "f16" ? 0x1p-24 : type == "bf16" ? 0x1p-133 : type == "f32" ? 0x1p-149 : 0x1p-1074;
}

double allowed_error(const Bound& bound, const std::string& type, double expected) {
  const double relative = std::ldexp(std::fabs(expected), bound.amount) + smallest_of(type);
  if (bound.kind == "relative") {
    return relative;
  }
  if (bound.kind == "absolute" || bound.kind == "trigonometric") {
    return std::ldexp(1.0, bound.amount);
  }
  if (bound.kind == "logarithm") {
    return std::fmax(relative, std::ldexp(1.0, bound.amount));
  }
  return bound.amount * ulp_at(expected);
}

bool is_within(const Bound& bound, const std::string& type, double expected, double found) {
  if (std::isnan(expected) || std::isnan(found)) {
    return std::isnan(expected) && std::isnan(found);
  }
  if (std::isinf(expected) || std::isinf(found)) {
    return expected == found;
  }
  return std::fabs(expected - found) <= allowed_error(bound, type, expected);
}

}  // namespace

Agreement compare(const Comparison& comparison) {
  if (comparison.expected == comparison.found) {
    return Agreement::kEqual;
  }
  const Bound bound = parse_bound(comparison.bound);
  if (bound.kind == "exact") {
    return Agreement::kDifferent;
  }
  if (!is_defined(bound, comparison.operands)) {
    return Agreement::kWithinBound;
  }
  if (bound.kind == "bitfield") {
    return Agreement::kDifferent;
  }
  const bool is_pair = comparison.type.ends_with("x2");
  const std::string type =
      is_pair ? comparison.type.substr(0, comparison.type.size() - 2) : comparison.type;
  bool within = true;
  for (unsigned shift = 0; shift < (is_pair ? 32U : 1U); shift += 16) {
    const uint64_t mask = is_pair ? 0xffffU : UINT64_MAX;
    within = within && is_within(bound, type, value_of(type, comparison.expected >> shift & mask),
                                 value_of(type, comparison.found >> shift & mask));
  }
  return within ? Agreement::kWithinBound : Agreement::kDifferent;
}

}  // namespace slipstream::record_vectors
