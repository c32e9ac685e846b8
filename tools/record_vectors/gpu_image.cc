#include "gpu_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace slipstream::record_vectors {
namespace {

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  throw std::runtime_error(fmt::format("{}: {}", what, cudaGetErrorString(error)));
}

cudaChannelFormatDesc format_of(const ImageSpec& image) {
  const auto bits = [&](unsigned channel) {
    return channel < image.channels ? static_cast<int>(8 * image.channel_bytes) : 0;
  };
  const cudaChannelFormatKind kind = image.kind == 'f'   ? cudaChannelFormatKindFloat
                                     : image.kind == 's' ? cudaChannelFormatKindSigned
                                                         : cudaChannelFormatKindUnsigned;
  return {bits(0), bits(1), bits(2), bits(3), kind};
}

unsigned array_flags(const ImageSpec& image) {
  return (image.layered() ? cudaArrayLayered : 0U) | (image.cube() ? cudaArrayCubemap : 0U) |
         (image.surface ? cudaArraySurfaceLoadStore : 0U) |
         (image.gather && !image.layered() ? cudaArrayTextureGather : 0U);
}

// What cudaMalloc3DArray takes: a dimension that the image does not have is 0.
cudaExtent array_extent(const ImageSpec& image) {
  const bool has_height = image.geometry.find("1d") == std::string::npos;
  const bool has_depth = image.geometry != "1d" && image.geometry != "2d";
  return {image.size[0], has_height ? image.size[1] : 0, has_depth ? image.size[2] : 0};
}

cudaTextureAddressMode mode_of(const std::string& mode) {
  return mode == "wrap"     ? cudaAddressModeWrap
         : mode == "mirror" ? cudaAddressModeMirror
         : mode == "border" ? cudaAddressModeBorder
                            : cudaAddressModeClamp;
}

}  // namespace

GpuImage::GpuImage(const ImageSpec& image) : is_surface_(image.surface) {
  Bytes bytes = image_bytes(image);
  if (image.geometry == "line" || image.geometry == "plane") {
    make_memory(image, bytes);
  } else {
    make_array(image, bytes);
  }
  if (is_surface_) {
    check(cudaCreateSurfaceObject(&handle_, &resource_), "cudaCreateSurfaceObject");
  } else {
    make_texture(image);
  }
}

GpuImage::~GpuImage() {
  is_surface_ ? cudaDestroySurfaceObject(handle_) : cudaDestroyTextureObject(handle_);
  if (resource_.resType == cudaResourceTypeArray) {
    cudaFreeArray(resource_.res.array.array);
  } else {
    cudaFree(resource_.resType == cudaResourceTypeLinear ? resource_.res.linear.devPtr
                                                         : resource_.res.pitch2D.devPtr);
  }
}

void GpuImage::make_array(const ImageSpec& image, Bytes& bytes) {
  const cudaChannelFormatDesc format = format_of(image);
  const cudaExtent extent = array_extent(image);
  cudaArray_t array = nullptr;
  check(cudaMalloc3DArray(&array, &format, extent, array_flags(image)), "cudaMalloc3DArray");
  cudaMemcpy3DParms copy{};
  copy.srcPtr = {bytes.data(), image.row_bytes(), image.size[0], image.size[1]};
  copy.dstArray = array;
  copy.extent = {extent.width, std::max<size_t>(extent.height, 1),
                 std::max<size_t>(extent.depth, 1)};
  copy.kind = cudaMemcpyHostToDevice;
  check(cudaMemcpy3D(&copy), "cudaMemcpy3D");
  resource_.resType = cudaResourceTypeArray;
  resource_.res.array.array = array;
}

void GpuImage::make_memory(const ImageSpec& image, const Bytes& bytes) {
  void* memory = nullptr;
  size_t pitch = image.row_bytes();
  check(cudaMallocPitch(&memory, &pitch, image.row_bytes(), image.size[1]), "cudaMallocPitch");
  check(cudaMemcpy2D(memory, pitch, bytes.data(), image.row_bytes(), image.row_bytes(),
                     image.size[1], cudaMemcpyHostToDevice),
        "cudaMemcpy2D");
  if (image.geometry == "line") {
    resource_.resType = cudaResourceTypeLinear;
    resource_.res.linear = {memory, format_of(image), bytes.size()};
  } else {
    resource_.resType = cudaResourceTypePitch2D;
    resource_.res.pitch2D = {memory, format_of(image), image.size[0], image.size[1], pitch};
  }
}

void GpuImage::make_texture(const ImageSpec& image) {
  cudaTextureDesc description{};
  std::ranges::fill(description.addressMode, mode_of(image.mode));
  std::ranges::copy(kBorder, description.borderColor);
  description.filterMode = image.linear ? cudaFilterModeLinear : cudaFilterModePoint;
  description.readMode = image.fractions ? cudaReadModeNormalizedFloat : cudaReadModeElementType;
  description.normalizedCoords = image.normalized ? 1 : 0;
  check(cudaCreateTextureObject(&handle_, &resource_, &description, nullptr),
        "cudaCreateTextureObject");
}

}  // namespace slipstream::record_vectors
