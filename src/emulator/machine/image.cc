#include "emulator/machine/image.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "emulator/arithmetic/half.h"

namespace slipstream::emulator {
namespace {

using Index = std::array<int64_t, 3>;

// The index of an element along a dimension of `size`; -1: the border.
int64_t wrapped(int64_t index, int64_t size, AddressMode mode) {
  switch (mode) {
    case AddressMode::kWrap:
      return (index % size + size) % size;
    case AddressMode::kMirror: {
      const int64_t in_pair = (index % (2 * size) + 2 * size) % (2 * size);
      return in_pair < size ? in_pair : 2 * size - 1 - in_pair;
    }
    case AddressMode::kClamp:
      return std::clamp<int64_t>(index, 0, size - 1);
    default:
      return index < 0 || index >= size ? -1 : index;
  }
}

// Wrapping and mirroring need normalized coordinates; without, they clamp.
AddressMode mode_of(const Image& image, uint32_t dimension) {
  const AddressMode mode = image.modes[dimension];
  const bool repeats = mode == AddressMode::kWrap || mode == AddressMode::kMirror;
  return repeats && !image.normalized ? AddressMode::kClamp : mode;
}

bool is_float_result(const Image& image) {
  return image.kind == ChannelKind::kFloat || image.reads_normalized;
}

// What an integer is divided by to become a fraction.
float largest_of(const Image& image) {
  const uint32_t sign_bits = image.kind == ChannelKind::kSigned ? 1 : 0;
  return static_cast<float>((1ULL << (8 * image.channel_bytes - sign_bits)) - 1);
}

uint32_t channel_bits(const Image& image, const std::byte* from) {
  uint32_t raw = 0;
  std::memcpy(&raw, from, image.channel_bytes);
  if (image.kind == ChannelKind::kFloat) {
    return image.channel_bytes == 4
               ? raw
               : std::bit_cast<uint32_t>(to_float(Half{static_cast<uint16_t>(raw)}));
  }
  const uint32_t unused = 32 - 8 * image.channel_bytes;
  const bool is_signed = image.kind == ChannelKind::kSigned;
  const int32_t value =
      is_signed ? static_cast<int32_t>(raw << unused) >> unused : static_cast<int32_t>(raw);
  if (!image.reads_normalized) return static_cast<uint32_t>(value);
  return std::bit_cast<uint32_t>(static_cast<float>(value) / largest_of(image));
}

Texel element_at(const Image& image, const Index& at) {
  const auto* const from =
      reinterpret_cast<const std::byte*>(image.base + static_cast<uint64_t>(at[2]) * image.plane +
                                         static_cast<uint64_t>(at[1]) * image.pitch +
                                         static_cast<uint64_t>(at[0]) * image.element_bytes());
  Texel texel{};
  for (uint32_t i = 0; i < image.channels; ++i)
    texel[i] = channel_bits(image, from + i * image.channel_bytes);
  return texel;
}

// The border's color in a channel, as the format can hold it: fractions have no more bits than the channels, of integers
// those of the color count. A channel that the image lacks is zero.
uint32_t border_channel(const Image& image, float color) {
  const auto bits = std::bit_cast<uint32_t>(color);
  if (image.kind == ChannelKind::kFloat) return bits;
  const uint32_t unused = 32 - 8 * image.channel_bytes;
  if (!image.reads_normalized) return bits << unused >> unused;
  const bool is_signed = image.kind == ChannelKind::kSigned;
  const float largest = largest_of(image);
  const float value = std::clamp(color, is_signed ? -1.0F : 0.0F, 1.0F) * largest;
  // To the nearest; a half, towards zero.
  return std::bit_cast<uint32_t>(std::copysign(std::ceil(std::abs(value) - 0.5F), value) / largest);
}

Texel border_of(const Image& image) {
  Texel texel{};
  for (size_t i = 0; i < image.channels; ++i) texel[i] = border_channel(image, image.border[i]);
  return texel;
}

// A negative layer is a large one.
int64_t layer_of(const Image& image, int32_t layer) {
  return image.layered ? std::min<int64_t>(static_cast<uint32_t>(layer), image.size[2] - 1) : 0;
}

// The element at whole coordinates that may be outside.
Texel element_around(const Image& image, const SamplePoint& point, Index at) {
  for (uint32_t i = 0; i < point.dimensions; ++i) {
    at[i] = wrapped(at[i], image.size[i], mode_of(image, i));
    if (at[i] < 0) return border_of(image);
  }
  if (image.layered) at[2] = layer_of(image, point.layer);
  return element_at(image, at);
}

// A coordinate in elements, exact: one that repeats within the first two periods. One that is no number is 0.
double scaled(const Image& image, const SamplePoint& point, uint32_t dimension) {
  const double at = point.at[dimension];
  if (std::isnan(at)) return 0;
  if (!image.normalized) return at;
  const AddressMode mode = image.modes[dimension];
  const double period = mode == AddressMode::kWrap ? 1 : 2;
  const bool repeats = mode == AddressMode::kWrap || mode == AddressMode::kMirror;
  const double within = repeats ? at - period * std::floor(at / period) : at;
  return std::isnan(within) ? 0 : within * image.size[dimension];
}

int64_t whole(double value) {
  constexpr double kFar = 1e9;
  return static_cast<int64_t>(std::floor(std::clamp(value, -kFar, kFar)));
}

constexpr uint32_t kOne = 256;  // coordinates and weights have eight bits after the point

struct Footprint {
  Index low{};
  std::array<uint32_t, 3> weight{};  // of the element after `low`
};

Footprint footprint_of(const Image& image, const SamplePoint& point) {
  Footprint footprint;
  for (uint32_t i = 0; i < point.dimensions; ++i) {
    const int64_t at = whole((scaled(image, point, i) - 0.5) * kOne + 0.5);
    footprint.low[i] = at >> 8U;
    footprint.weight[i] = static_cast<uint32_t>(at) % kOne;
    const bool is_outside = footprint.low[i] < 0 || footprint.low[i] >= image.size[i] - 1;
    if (is_outside && mode_of(image, i) == AddressMode::kClamp) footprint.weight[i] = 0;
  }
  return footprint;
}

// The weights of the eight elements, bit i of the index for dimension i. An H200 divides 256 among them and rounds: to the
// planes, in each to the columns, in each of those to the rows; a half goes to the second column, and in columns to the
// second row of the second and to the first of the first.
std::array<uint32_t, 8> corner_weights(const Footprint& footprint) {
  const auto [x, y, z] = footprint.weight;
  const auto part = [](uint32_t whole, uint32_t weight, uint32_t half) {
    return (whole * weight + half) / kOne;
  };
  std::array<uint32_t, 8> weights{};
  for (uint32_t plane = 0; plane < 2; ++plane) {
    const uint32_t of_plane = plane == 0 ? kOne - z : z;
    const uint32_t second = part(of_plane, x, kOne / 2);
    const uint32_t first = of_plane - second;
    weights[4 * plane + 3] = part(second, y, kOne / 2);
    weights[4 * plane + 2] = part(first, y, kOne / 2 - 1);
    weights[4 * plane + 1] = second - weights[4 * plane + 3];
    weights[4 * plane] = first - weights[4 * plane + 2];
  }
  return weights;
}

// The nearest number with that many bits of mantissa and an exponent of at least `least`; what lies halfway, away from zero.
double rounded(double sum, int mantissa_bits, int least) {
  if (sum == 0 || !std::isfinite(sum)) return sum;
  const int exponent = std::max(std::ilogb(sum), least) - mantissa_bits;
  return std::ldexp(std::round(std::ldexp(sum, -exponent)), exponent);
}

// Sums of weights, which are 256 in all, and the elements' values. Fractions are summed as integers of 16 bits; the result
// is no more precise than those, or f16 where the elements are.
class Filter {
 public:
  explicit Filter(const Image& image)
      : is_half_(image.kind == ChannelKind::kFloat && image.channel_bytes == 2),
        steps_(image.kind == ChannelKind::kFloat    ? 0
               : image.kind == ChannelKind::kSigned ? 0x7fff
                                                    : 0xffff) {}

  void add(uint32_t weight, const Texel& texel) {
    for (size_t i = 0; i < sums_.size(); ++i) {
      const double value = std::bit_cast<float>(texel[i]);
      sums_[i] += weight * (steps_ == 0 ? value : std::nearbyint(value * steps_));
    }
  }
  Texel result() const {
    Texel texel;
    for (size_t i = 0; i < sums_.size(); ++i) {
      texel[i] = std::bit_cast<uint32_t>(static_cast<float>(value_of(sums_[i] / kOne)));
    }
    return texel;
  }

 private:
  double value_of(double sum) const {
    if (steps_ != 0) return std::max(std::floor(sum + 0.5) / steps_, -1.0);
    return is_half_ ? rounded(sum, 10, -14) : rounded(sum, 23, -126);
  }

  bool is_half_;
  double steps_;
  std::array<double, 4> sums_{};
};

Texel interpolate(const Image& image, const SamplePoint& point) {
  const Footprint footprint = footprint_of(image, point);
  const std::array<uint32_t, 8> weights = corner_weights(footprint);
  Filter filter(image);
  for (uint32_t corner = 0; corner < weights.size(); ++corner) {
    if (weights[corner] == 0) continue;
    Index at = footprint.low;
    for (uint32_t i = 0; i < at.size(); ++i) at[i] += corner >> i & 1U;
    filter.add(weights[corner], element_around(image, point, at));
  }
  return filter.result();
}

// A line that is no layer is filtered as an image of one row: at a border, half of each sample is the border's color.
SamplePoint with_rows(const Image& image, SamplePoint point) {
  if (!image.layered) point.dimensions = std::max(point.dimensions, 2U);
  return point;
}

// The least integer is a fraction below -1, as which filters add it.
Texel without_excess(const Image& image, Texel texel) {
  if (image.kind != ChannelKind::kSigned || !image.reads_normalized) return texel;
  for (uint32_t& bits : texel) {
    bits = std::bit_cast<uint32_t>(std::max(std::bit_cast<float>(bits), -1.0F));
  }
  return texel;
}

}  // namespace

Texel sample(const Image& image, const SamplePoint& point) {
  if (image.linear && is_float_result(image)) return interpolate(image, with_rows(image, point));
  Index at{};
  for (uint32_t i = 0; i < point.dimensions; ++i) at[i] = whole(scaled(image, point, i));
  return without_excess(image, element_around(image, point, at));
}

// The face is that of the largest coordinate, the later one of equals; CUDA's guide has the table of the two others on it.
// What is no number after the division by the largest counts as less than all others, and on a face as its center.
SamplePoint cube_point(const Image& image, const std::array<float, 3>& direction, int32_t cube) {
  float largest = 0;
  for (const float one : direction) largest = std::fmax(largest, std::abs(one));
  const float scale = 1 / largest;
  const float x = direction[0] * scale;
  const float y = direction[1] * scale;
  const float z = direction[2] * scale;
  const auto size = [](float one) { return std::isnan(one) ? -1.0F : std::abs(one); };
  const auto place = [](double one) {
    constexpr double kSteps = 1U << 24U;
    return std::isnan(one) ? 0.5 : std::floor((one + 1) / 2 * kSteps) / kSteps;
  };
  const auto point = [&](int32_t face, float s, float t) {
    const int64_t cubes = image.size[2] / 6;
    const auto chosen =
        static_cast<int32_t>(std::min<int64_t>(static_cast<uint32_t>(cube), cubes - 1));
    return SamplePoint{2, {place(s), place(t), 0}, chosen * 6 + face};
  };
  if (size(z) >= size(x) && size(z) >= size(y)) return point(z < 0 ? 5 : 4, z < 0 ? -x : x, -y);
  if (size(y) >= size(x)) return point(y < 0 ? 3 : 2, x, y < 0 ? -z : z);
  return point(x < 0 ? 1 : 0, x < 0 ? z : -z, -y);
}

Texel fetch(const Image& image, const std::array<int32_t, 3>& at, int32_t layer) {
  Index index{};
  for (size_t i = 0; i < at.size(); ++i) {
    const bool is_layer = i == 2 && image.layered;
    index[i] = is_layer ? layer : at[i];
    if (index[i] < 0 || index[i] >= image.size[i]) return {};
  }
  return without_excess(image, element_at(image, index));
}

Texel gather(const Image& image, const SamplePoint& point, uint32_t channel) {
  const Index low = footprint_of(image, point).low;
  constexpr std::array<std::array<int64_t, 2>, 4> kCorners = {{{0, 1}, {1, 1}, {1, 0}, {0, 0}}};
  Texel result;
  for (size_t i = 0; i < kCorners.size(); ++i) {
    const Index at = {low[0] + kCorners[i][0], low[1] + kCorners[i][1], low[2]};
    result[i] = without_excess(image, element_around(image, point, at))[channel];
  }
  return result;
}

}  // namespace slipstream::emulator
