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
  const auto largest =
      static_cast<float>((1ULL << (8 * image.channel_bytes - (is_signed ? 1 : 0))) - 1);
  return std::bit_cast<uint32_t>(std::max(static_cast<float>(value) / largest, -1.0F));
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

Texel border_of(const Image& image) {
  if (!is_float_result(image)) return {};
  Texel texel;
  for (size_t i = 0; i < texel.size(); ++i) texel[i] = std::bit_cast<uint32_t>(image.border[i]);
  return texel;
}

int64_t layer_of(const Image& image, int32_t layer) {
  return image.layered ? std::clamp<int64_t>(layer, 0, image.size[2] - 1) : 0;
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

// A coordinate in elements. One that repeats is brought into the first two periods, where floats are exact.
float scaled(const Image& image, const SamplePoint& point, uint32_t dimension) {
  const float at = point.at[dimension];
  if (!image.normalized) return at;
  const AddressMode mode = image.modes[dimension];
  const float period = mode == AddressMode::kWrap ? 1.0F : 2.0F;
  const bool repeats = mode == AddressMode::kWrap || mode == AddressMode::kMirror;
  return (repeats ? at - period * std::floor(at / period) : at) *
         static_cast<float>(image.size[dimension]);
}

int64_t whole(float value) {
  constexpr float kFar = 1e9F;
  return static_cast<int64_t>(
      std::floor(std::isnan(value) ? 0.0F : std::clamp(value, -kFar, kFar)));
}

struct Footprint {
  Index low{};
  std::array<float, 3> weight{};  // of the element after `low`
};

// Weights have eight bits after the point, as on a GPU.
Footprint footprint_of(const Image& image, const SamplePoint& point) {
  constexpr float kSteps = 256;
  Footprint footprint;
  for (uint32_t i = 0; i < point.dimensions; ++i) {
    const float at = scaled(image, point, i) - 0.5F;
    footprint.low[i] = whole(at);
    const float fraction = at - std::floor(at);
    footprint.weight[i] =
        std::isfinite(fraction) ? std::nearbyint(fraction * kSteps) / kSteps : 0.0F;
  }
  return footprint;
}

Texel interpolate(const Image& image, const SamplePoint& point) {
  const Footprint footprint = footprint_of(image, point);
  std::array<float, 4> sums{};
  for (uint32_t corner = 0; corner < (1U << point.dimensions); ++corner) {
    Index at = footprint.low;
    float weight = 1;
    for (uint32_t i = 0; i < point.dimensions; ++i) {
      const bool is_next = (corner >> i & 1U) != 0;
      at[i] += is_next ? 1 : 0;
      weight *= is_next ? footprint.weight[i] : 1 - footprint.weight[i];
    }
    if (weight == 0) continue;
    const Texel texel = element_around(image, point, at);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += weight * std::bit_cast<float>(texel[i]);
  }
  Texel result;
  for (size_t i = 0; i < sums.size(); ++i) result[i] = std::bit_cast<uint32_t>(sums[i]);
  return result;
}

}  // namespace

Texel sample(const Image& image, const SamplePoint& point) {
  if (image.linear && is_float_result(image)) return interpolate(image, point);
  Index at{};
  for (uint32_t i = 0; i < point.dimensions; ++i) at[i] = whole(scaled(image, point, i));
  return element_around(image, point, at);
}

// The face is that of the largest coordinate; CUDA's guide has the table of the two others on it.
SamplePoint cube_point(const Image& image, const std::array<float, 3>& direction, int32_t cube) {
  const auto [x, y, z] = direction;
  const auto point = [&](int32_t face, float s, float t, float largest) {
    const int32_t cubes = static_cast<int32_t>(image.size[2]) / 6;
    return SamplePoint{2,
                       {(s / largest + 1) / 2, (t / largest + 1) / 2, 0},
                       std::clamp(cube, 0, cubes - 1) * 6 + face};
  };
  const float width = std::abs(x);
  const float height = std::abs(y);
  const float depth = std::abs(z);
  if (width >= height && width >= depth) return point(x < 0 ? 1 : 0, x < 0 ? z : -z, -y, width);
  if (height >= depth) return point(y < 0 ? 3 : 2, x, y < 0 ? -z : z, height);
  return point(z < 0 ? 5 : 4, z < 0 ? -x : x, -y, depth);
}

Texel fetch(const Image& image, const std::array<int32_t, 3>& at, int32_t layer) {
  Index index{};
  for (size_t i = 0; i < at.size(); ++i) {
    const bool is_layer = i == 2 && image.layered;
    index[i] = is_layer ? layer_of(image, layer) : at[i];
    if (index[i] < 0 || index[i] >= image.size[i]) return {};
  }
  return element_at(image, index);
}

Texel gather(const Image& image, const SamplePoint& point, uint32_t channel) {
  const Index low = footprint_of(image, point).low;
  constexpr std::array<std::array<int64_t, 2>, 4> kCorners = {{{0, 1}, {1, 1}, {1, 0}, {0, 0}}};
  Texel result;
  for (size_t i = 0; i < kCorners.size(); ++i) {
    result[i] = element_around(image, point,
                               {low[0] + kCorners[i][0], low[1] + kCorners[i][1], low[2]})[channel];
  }
  return result;
}

}  // namespace slipstream::emulator
