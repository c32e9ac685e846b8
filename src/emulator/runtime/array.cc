#include "emulator/runtime/array.h"

#include <algorithm>
#include <array>

#include "emulator/runtime/error.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

struct Format {
  uint32_t channels = 0;
  uint32_t channel_bytes = 0;
  ChannelKind kind = ChannelKind::kFloat;
};

ChannelKind kind_of(cudaChannelFormatKind kind) {
  switch (kind) {
    case cudaChannelFormatKindSigned:
      return ChannelKind::kSigned;
    case cudaChannelFormatKindUnsigned:
      return ChannelKind::kUnsigned;
    case cudaChannelFormatKindFloat:
      return ChannelKind::kFloat;
    default:
      throw ApiError(cudaErrorNotSupported,
                     "arrays of compressed or planar formats are not supported");
  }
}

// One, two or four channels of 8, 16 or 32 bits, the first ones and all alike.
Format format_of(const cudaChannelFormatDesc& description) {
  const std::array<int, 4> bits = {description.x, description.y, description.z, description.w};
  Format format;
  format.kind = kind_of(description.f);
  while (format.channels < bits.size() && bits[format.channels] == bits[0]) ++format.channels;
  require(
      std::all_of(bits.begin() + format.channels, bits.end(), [](int rest) { return rest == 0; }),
      cudaErrorInvalidChannelDescriptor);
  require(format.channels != 3 && (bits[0] == 8 || bits[0] == 16 || bits[0] == 32),
          cudaErrorInvalidChannelDescriptor);
  require(format.kind != ChannelKind::kFloat || bits[0] != 8, cudaErrorInvalidChannelDescriptor);
  format.channel_bytes = static_cast<uint32_t>(bits[0]) / 8;
  return format;
}

void set_format(Image& image, const cudaChannelFormatDesc& description) {
  const Format format = format_of(description);
  image.channels = format.channels;
  image.channel_bytes = format.channel_bytes;
  image.kind = format.kind;
}

// A cube has six square faces.
void require_faces(const cudaExtent& extent, bool layered) {
  require(extent.width == extent.height);
  require(layered ? extent.depth > 0 && extent.depth % 6 == 0 : extent.depth == 6);
}

Image array_image(const Array& array) {
  Image image;
  set_format(image, array.format);
  image.base = array.address;
  image.pitch = array.pitch();
  image.plane = array.plane();
  image.size = {static_cast<uint32_t>(array.extent.width), static_cast<uint32_t>(array.rows()),
                static_cast<uint32_t>(array.planes())};
  image.cube = (array.flags & cudaArrayCubemap) != 0;
  image.layered = image.cube || (array.flags & cudaArrayLayered) != 0;
  return image;
}

Image memory_image(const void* pointer, const cudaChannelFormatDesc& format, uint64_t width,
                   uint64_t height, uint64_t pitch) {
  Image image;
  set_format(image, format);
  image.base = reinterpret_cast<uint64_t>(pointer);
  image.pitch = pitch;
  image.plane = pitch * height;
  image.size = {static_cast<uint32_t>(width), static_cast<uint32_t>(height), 1};
  const auto allocation = device().find(image.base);
  require(width > 0 && height > 0 && width * image.element_bytes() <= pitch);
  require(allocation && allocation->address + allocation->size - image.base >=
                            pitch * (height - 1) + width * image.element_bytes());
  return image;
}

Image resource_image(const cudaResourceDesc& resource) {
  switch (resource.resType) {
    case cudaResourceTypeArray:
      return array_image(arrays().resolve(resource.res.array.array));
    case cudaResourceTypeLinear: {
      const auto& linear = resource.res.linear;
      const Format format = format_of(linear.desc);
      const uint64_t element = uint64_t{format.channels} * format.channel_bytes;
      return memory_image(linear.devPtr, linear.desc, linear.sizeInBytes / element, 1,
                          linear.sizeInBytes);
    }
    case cudaResourceTypePitch2D: {
      const auto& pitched = resource.res.pitch2D;
      return memory_image(pitched.devPtr, pitched.desc, pitched.width, pitched.height,
                          pitched.pitchInBytes);
    }
    default:
      throw ApiError(cudaErrorNotSupported, "textures of mipmapped arrays are not supported");
  }
}

}  // namespace

Arrays& arrays() {
  static auto* all = new Arrays;
  return *all;
}

uint64_t Array::at(uint64_t byte, uint64_t row, uint64_t plane_index) const {
  require(byte <= pitch() && row < rows() && plane_index < planes());
  return address + plane_index * plane() + row * pitch() + byte;
}

cudaArray_t Arrays::create(const cudaChannelFormatDesc& format, const cudaExtent& extent,
                           unsigned int flags) {
  constexpr unsigned int kKnown = cudaArrayDefault | cudaArrayLayered | cudaArraySurfaceLoadStore |
                                  cudaArrayCubemap | cudaArrayTextureGather;
  if ((flags & ~kKnown) != 0)
    throw ApiError(cudaErrorNotSupported, "sparse and mapped arrays are not supported");
  if ((flags & cudaArrayCubemap) != 0) require_faces(extent, (flags & cudaArrayLayered) != 0);
  const Format parts = format_of(format);
  auto made = std::make_unique<Array>();
  made->format = format;
  made->extent = extent;
  made->flags = flags;
  made->element_bytes = parts.channels * parts.channel_bytes;
  require(extent.width > 0 && made->plane() > 0);
  made->address = reinterpret_cast<uint64_t>(allocate_memory(
      made->plane() * made->planes(), MemoryKind::kDevice, "CUDA array", current_device()));
  auto* const handle = reinterpret_cast<cudaArray_t>(made.get());
  arrays_.emplace(handle, std::move(made));
  return handle;
}

const Array& Arrays::resolve(cudaArray_const_t handle) const {
  const auto found = arrays_.find(handle);
  require(found != arrays_.end(), cudaErrorInvalidResourceHandle);
  return *found->second;
}

void Arrays::destroy(cudaArray_t handle) {
  const uint64_t address = resolve(handle).address;
  arrays_.erase(handle);
  release_memory(pointer_to(address));
}

Image texture_image(const cudaResourceDesc& resource, const cudaTextureDesc& texture) {
  Image image = resource_image(resource);
  if (texture.sRGB != 0) throw ApiError(cudaErrorNotSupported, "sRGB textures are not supported");
  for (size_t i = 0; i < image.modes.size(); ++i)
    image.modes[i] = static_cast<AddressMode>(texture.addressMode[i]);
  image.linear = texture.filterMode == cudaFilterModeLinear;
  image.normalized = image.cube || texture.normalizedCoords != 0;
  image.reads_normalized =
      texture.readMode == cudaReadModeNormalizedFloat && image.kind != ChannelKind::kFloat;
  std::copy(std::begin(texture.borderColor), std::end(texture.borderColor), image.border.begin());
  require(!image.reads_normalized || image.channel_bytes < 4);
  require(!image.linear || image.kind == ChannelKind::kFloat || image.reads_normalized);
  return image;
}

Image surface_image(const cudaResourceDesc& resource) {
  require(resource.resType == cudaResourceTypeArray);
  require((arrays().resolve(resource.res.array.array).flags & cudaArraySurfaceLoadStore) != 0);
  Image image = resource_image(resource);
  image.is_surface = true;
  return image;
}

}  // namespace slipstream::emulator::runtime
