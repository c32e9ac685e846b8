#include "inputs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>

#include "form.h"

namespace slipstream::record_vectors {
namespace {

constexpr unsigned kWarp = 32;

// A floating-point type by its fields.
struct Format {
  unsigned exponent_bits;
  unsigned mantissa_bits;

  unsigned bias() const { return (1U << (exponent_bits - 1)) - 1; }
  uint64_t mantissa_mask() const { return (uint64_t{1} << mantissa_bits) - 1; }
  uint64_t largest_exponent() const { return (uint64_t{1} << exponent_bits) - 1; }
  unsigned bits() const { return 1 + exponent_bits + mantissa_bits; }
};

class Values {
 public:
  Values(std::string_view type, unsigned position)
      : type_(type), position_(position), random_(seed_of(type, position)) {}

  uint64_t at(unsigned index) {
    const unsigned warp = index / kWarp;
    if (type_ == "bool") {
      return warp % 4 == 0 ? 0 : warp % 4 == 1 ? 1 : random_() & 1U;
    }
    if (type_ == "lane") {
      return random_() % kWarp;
    }
    if (type_ == "shift") {
      return index % 4 == 0 ? random_() & 0xffffffffU : random_() % 72;
    }
    if (type_ == "layer" || type_ == "index") {
      return static_cast<uint32_t>(static_cast<int32_t>(random_() % 12) - 2);
    }
    if (type_ == "texel" || type_ == "unit" || type_ == "direction") {
      return std::bit_cast<uint32_t>(coordinate(index));
    }
    if (type_.starts_with("tensor_")) {
      return tensor_value(warp);
    }
    if (type_.starts_with("group_")) {
      constexpr unsigned kWarpsPerWarpgroup = 4;
      return tensor_value(warp / kWarpsPerWarpgroup);
    }
    if (const auto format = format_of(type_)) {
      return float_value(*format, index);
    }
    if (type_ == "f16x2" || type_ == "bf16x2") {
      const Format format = type_ == "f16x2" ? Format{5, 10} : Format{8, 7};
      return float_value(format, index) | float_value(format, index + 7) << 16U;
    }
    return integer_value(index);
  }

 private:
  static uint64_t seed_of(std::string_view type, unsigned position) {
    uint64_t seed = 0xcbf29ce484222325U + position;
    for (const char c : type) {
      seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
    return seed;
  }

  static const Format* format_of(std::string_view type) {
    static constexpr Format kF16{5, 10};
    static constexpr Format kBf16{8, 7};
    static constexpr Format kF32{8, 23};
    static constexpr Format kF64{11, 52};
    return type == "f16"    ? &kF16
           : type == "bf16" ? &kBf16
           : type == "f32"  ? &kF32
           : type == "f64"  ? &kF64
                            : nullptr;
  }

  // The first half of the vectors pairs every edge case of one operand with every one of the next.
  template <class Edges>
  uint64_t edge(const Edges& edges, unsigned index) const {
    const auto n = static_cast<unsigned>(edges.size());
    switch (position_) {
      case 0:
        return edges[index % n];
      case 1:
        return edges[index / n % n];
      default:
        return edges[(index * (2 * position_ + 1) + position_) % n];
    }
  }

  uint64_t float_value(const Format& format, unsigned index) {
    const std::vector<uint64_t> edges = float_edges(format);
    const bool is_edge = index < edges.size() * edges.size() && index % 1024 < 640;
    return is_edge ? edge(edges, index) : random_float(format);
  }

  static std::vector<uint64_t> float_edges(const Format& format) {
    const uint64_t one = static_cast<uint64_t>(format.bias()) << format.mantissa_bits;
    const uint64_t infinity = format.largest_exponent() << format.mantissa_bits;
    const uint64_t smallest_normal = uint64_t{1} << format.mantissa_bits;
    std::vector<uint64_t> edges = {0,
                                   1,
                                   smallest_normal - 1,
                                   smallest_normal,
                                   one - 1,
                                   one,
                                   one + 1,
                                   one - smallest_normal,                            // 0.5
                                   one + smallest_normal,                            // 2
                                   one + (smallest_normal >> 1U),                    // 1.5
                                   one + smallest_normal + (smallest_normal >> 2U),  // 2.5
                                   infinity - 1,
                                   infinity};
    const size_t positive = edges.size();
    for (size_t i = 0; i < positive; ++i) {
      edges.push_back(edges[i] | uint64_t{1} << (format.bits() - 1));
    }
    edges.push_back(infinity | smallest_normal >> 1U);  // a quiet NaN
    edges.push_back(infinity | 1U);                     // a signalling one
    return edges;
  }

  uint64_t make_float(const Format& format, int64_t exponent_field, uint64_t bits) const {
    const auto field = static_cast<uint64_t>(std::clamp<int64_t>(
        exponent_field, 0, static_cast<int64_t>(format.largest_exponent()) - 1));
    return (bits & format.mantissa_mask()) | field << format.mantissa_bits |
           (bits >> 63U) << (format.bits() - 1);
  }

  // Exponents within `reach` of that of 1.
  uint64_t float_near_one(const Format& format, int64_t reach) {
    const auto shift =
        static_cast<int64_t>(random_() % static_cast<uint64_t>(2 * reach + 1)) - reach;
    return make_float(format, format.bias() + shift, random_());
  }

  uint64_t random_float(const Format& format) {
    const uint64_t all = format.bits() == 64 ? UINT64_MAX : (uint64_t{1} << format.bits()) - 1;
    switch (random_() % 8) {
      case 0:
        return random_() & all;
      case 1: {  // the ends of integer types, and what is next to them
        const uint64_t power =
            make_float(format, format.bias() + static_cast<int64_t>(random_() % 66), 0);
        return (power + random_() % 5 - 2) | (random_() & 1U) << (format.bits() - 1);
      }
      case 2: {  // few mantissa bits: halves, and ties of every kind
        const uint64_t value = float_near_one(format, 10);
        const uint64_t kept = random_() % (format.mantissa_bits + 1);
        return value & ~((uint64_t{1} << kept) - 1);
      }
      case 3:
        return float_near_one(format, 30);
      default:
        return float_near_one(format, 6);
    }
  }

  uint64_t integer_value(unsigned index) {
    const unsigned bits = bits_of(type_);
    const uint64_t all = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
    const uint64_t top = uint64_t{1} << (bits - 1);
    const std::vector<uint64_t> edges = {0,   1,       2,          top - 1, top, top + 1,
                                         all, all - 1, 0x55 & all, 127,     128, 255 & all};
    if (index < edges.size() * edges.size()) {
      return edge(edges, index);
    }
    const uint64_t value = random_() >> (random_() % 64);
    return (random_() % 2 == 0 ? value : 0 - value) & all;
  }

  static unsigned bits_of(std::string_view type) {
    if (type.starts_with("e4m3x2") || type.starts_with("e5m2x2")) {
      return 16;
    }
    const size_t digits = type.find_first_of("0123456789");
    if (digits == type.npos) {
      throw std::runtime_error("no values are known for operands of type " + std::string(type));
    }
    return static_cast<unsigned>(std::stoul(std::string(type.substr(digits))));
  }

  // Of an image, in and around it: whole steps of a filter's weight and between them, and numbers that are none.
  float coordinate(unsigned index) {
    const float size = type_ == "texel" ? 8.0F : 1.0F;
    const auto random =
        static_cast<int32_t>(random_() % (1U << 20));  // before the case, so that all take as many
    const float between = static_cast<float>(random) / (1U << 18) - 1.5F;  // -1.5 to 2.5
    switch (index % 4) {
      case 0: {
        constexpr std::array kEdges{
            0.0F,      0.0625F,   0.5F, 1.0F,  0.99999994F,
            -0.5F,     -1.0F,     1e9F, -1e9F, std::numeric_limits<float>::quiet_NaN(),
            HUGE_VALF, -HUGE_VALF};
        return kEdges[static_cast<size_t>(random) % kEdges.size()] * size;
      }
      case 1:
        return std::floor(between * 8) / 8 * size;
      case 2:
        return std::floor(between * 4096) / 4096 * size;
      default:
        return between * size;
    }
  }

  // Finite values of a spread that differs from warp to warp: sums of products of every kind, and
  // in one warp of eight infinities and NaNs too.
  uint64_t tensor_element(const Format& format, unsigned warp) {
    constexpr int64_t kSpreads[] = {1, 3, 7, 12};
    const uint64_t kind = random_() % 32;
    if (warp % 8 == 7 && kind == 0) {
      return random_() >> (64 - format.bits());
    }
    return kind == 1 ? 0 : float_near_one(format, kSpreads[warp % 4]);
  }

  uint64_t packed_elements(const Format& format, unsigned count, unsigned warp) {
    uint64_t packed = 0;
    for (unsigned i = 0; i < count; ++i) {
      packed |= tensor_element(format, warp) << (i * format.bits());
    }
    return packed;
  }

  // `warp`, or whatever has a spread of its own.
  uint64_t tensor_value(unsigned warp) {
    const std::string_view elements = type_.substr(type_.find('_') + 1);
    if (elements == "f16x2") {
      return packed_elements({5, 10}, 2, warp);
    }
    if (elements == "bf16x2") {
      return packed_elements({8, 7}, 2, warp);
    }
    if (elements == "e4m3x4") {
      return packed_elements({4, 3}, 4, warp);
    }
    if (elements == "e5m2x4") {
      return packed_elements({5, 2}, 4, warp);
    }
    if (elements == "f64") {
      return tensor_element({11, 52}, warp);
    }
    if (elements == "tf32") {  // what lies below tf32's bits must not matter
      return tensor_element({8, 10}, warp) << 13U | (warp % 2 == 0 ? 0 : random_() & 0x1fffU);
    }
    // f32, the accumulator: zero, or like the products, or far above them
    return warp % 4 == 0 ? 0 : float_near_one({8, 23}, warp % 4 == 3 ? 30 : 8);
  }

  std::string_view type_;
  unsigned position_;
  std::mt19937_64 random_;
};

}  // namespace

std::vector<uint8_t> make_operands(std::string_view type, unsigned position, unsigned count) {
  const unsigned width = register_bytes(type);
  std::vector<uint8_t> bytes(size_t{width} * count);
  Values values(type, position);
  for (unsigned i = 0; i < count; ++i) {
    const uint64_t value = values.at(i);
    std::memcpy(bytes.data() + size_t{width} * i, &value, width);
  }
  return bytes;
}

}  // namespace slipstream::record_vectors
