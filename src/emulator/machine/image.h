// What textures and surfaces are to kernels: the memory of an array, or linear or pitched memory, with a format and a way
// to sample it. The handle that a kernel gets is the device address of an Image.
#pragma once

#include <array>
#include <cstdint>

namespace slipstream::emulator {

enum class ChannelKind : uint8_t { kSigned, kUnsigned, kFloat };
// In the order of cudaTextureAddressMode.
enum class AddressMode : uint8_t { kWrap, kClamp, kMirror, kBorder };

struct Image {
  static constexpr uint64_t kMagic = 0x6567616d69707373ULL;

  uint64_t magic = kMagic;
  uint64_t base = 0;
  uint64_t pitch = 0;  // bytes from row to row
  uint64_t plane = 0;  // bytes from plane to plane, or from layer to layer
  // Elements; 1 where the image has no such dimension. Layers are the depth of a layered image.
  std::array<uint32_t, 3> size{1, 1, 1};
  uint32_t channels = 1;
  uint32_t channel_bytes = 4;
  ChannelKind kind = ChannelKind::kFloat;
  bool is_surface = false;
  bool layered = false;
  bool cube = false;  // six layers for each cube
  // Of textures:
  std::array<AddressMode, 3> modes{AddressMode::kClamp, AddressMode::kClamp, AddressMode::kClamp};
  bool linear = false;            // filtering
  bool normalized = false;        // coordinates in [0, 1)
  bool reads_normalized = false;  // integers become f32 in [0, 1] or [-1, 1]
  std::array<float, 4> border{};

  uint32_t element_bytes() const { return channels * channel_bytes; }
};

// The bits of the four channels of an element: f32, or 32-bit integers. Channels that the image lacks are zero.
using Texel = std::array<uint32_t, 4>;

// Coordinates as the instruction has them; `dimensions` of them count. `layer` is clamped, as a number without a sign.
struct SamplePoint {
  uint32_t dimensions = 1;
  std::array<double, 3> at{};
  int32_t layer = 0;
};
Texel sample(const Image& image, const SamplePoint& point);
// Where a direction meets the faces of cube `cube`, which is clamped: a point of the layer that has the face.
SamplePoint cube_point(const Image& image, const std::array<float, 3>& direction, int32_t cube);
// tex with integer coordinates: the element, or zeros outside, also outside of the layers.
Texel fetch(const Image& image, const std::array<int32_t, 3>& at, int32_t layer);
// tld4: channel `channel` of the four elements around the point, counterclockwise from the lower left.
Texel gather(const Image& image, const SamplePoint& point, uint32_t channel);

}  // namespace slipstream::emulator
