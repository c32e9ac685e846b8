// Arrays, and texture and surface objects.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>

#include "emulator/driver/array_format.h"
#include "emulator/driver/call.h"
#include "emulator/runtime/array.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::require;
using slipstream::emulator::runtime::require_success;

namespace {

const runtime::Array& resolve(CUarray array) { return runtime::arrays().resolve(same(array)); }

cudaResourceDesc resource_of(const CUDA_RESOURCE_DESC& given) {
  cudaResourceDesc resource{};
  resource.resType = static_cast<cudaResourceType>(given.resType);
  if (given.resType == CU_RESOURCE_TYPE_ARRAY) {
    resource.res.array.array = same(given.res.array.hArray);
  } else if (given.resType == CU_RESOURCE_TYPE_LINEAR) {
    const auto& linear = given.res.linear;
    resource.res.linear = {pointer(linear.devPtr), channels_of(linear.format, linear.numChannels),
                           linear.sizeInBytes};
  } else if (given.resType == CU_RESOURCE_TYPE_PITCH2D) {
    const auto& pitched = given.res.pitch2D;
    resource.res.pitch2D = {pointer(pitched.devPtr),
                            channels_of(pitched.format, pitched.numChannels), pitched.width,
                            pitched.height, pitched.pitchInBytes};
  }
  return resource;
}

// The channels of a resource that a texture may be made of.
cudaChannelFormatDesc channels_of(const cudaResourceDesc& resource) {
  switch (resource.resType) {
    case cudaResourceTypeLinear:
      return resource.res.linear.desc;
    case cudaResourceTypePitch2D:
      return resource.res.pitch2D.desc;
    default:
      return runtime::arrays().resolve(resource.res.array.array).format;
  }
}

// Unless told otherwise, textures read integers of 8 and 16 bits as fractions.
cudaTextureReadMode read_mode(unsigned flags, const cudaChannelFormatDesc& channels) {
  const bool fractions = (flags & CU_TRSF_READ_AS_INTEGER) == 0 && channels.x < 32 &&
                         channels.f != cudaChannelFormatKindFloat;
  return fractions ? cudaReadModeNormalizedFloat : cudaReadModeElementType;
}

cudaTextureDesc texture_of(const CUDA_TEXTURE_DESC& given, const cudaResourceDesc& resource) {
  cudaTextureDesc texture{};
  for (int i = 0; i < 3; ++i)
    texture.addressMode[i] = static_cast<cudaTextureAddressMode>(given.addressMode[i]);
  texture.filterMode = static_cast<cudaTextureFilterMode>(given.filterMode);
  texture.normalizedCoords = (given.flags & CU_TRSF_NORMALIZED_COORDINATES) != 0 ? 1 : 0;
  texture.sRGB = (given.flags & CU_TRSF_SRGB) != 0 ? 1 : 0;
  std::copy(std::begin(given.borderColor), std::end(given.borderColor), texture.borderColor);
  if (resource.resType != cudaResourceTypeMipmappedArray)  // refused where the object is made
    texture.readMode = read_mode(given.flags, channels_of(resource));
  return texture;
}

}  // namespace

extern "C" {

// --- Arrays.

CUresult cuArray3DCreate(CUarray* array, const CUDA_ARRAY3D_DESCRIPTOR* given) {
  return answer("cuArray3DCreate", [&] {
    require(array != nullptr && given != nullptr);
    const cudaChannelFormatDesc channels = channels_of(given->Format, given->NumChannels);
    *array = same(runtime::arrays().create(channels, {given->Width, given->Height, given->Depth},
                                           given->Flags));
  });
}

CUresult cuArrayCreate(CUarray* array, const CUDA_ARRAY_DESCRIPTOR* given) {
  if (given == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const CUDA_ARRAY3D_DESCRIPTOR flat{given->Width,  given->Height,      0,
                                     given->Format, given->NumChannels, 0};
  return cuArray3DCreate(array, &flat);
}

CUresult cuArray3DGetDescriptor(CUDA_ARRAY3D_DESCRIPTOR* description, CUarray array) {
  return answer("cuArray3DGetDescriptor", [&] {
    require(description != nullptr);
    const runtime::Array& found = resolve(array);
    *description = {found.extent.width,      found.extent.height,    found.extent.depth,
                    format_of(found.format), count_of(found.format), found.flags};
  });
}

CUresult cuArrayGetDescriptor(CUDA_ARRAY_DESCRIPTOR* description, CUarray array) {
  return answer("cuArrayGetDescriptor", [&] {
    require(description != nullptr);
    const runtime::Array& found = resolve(array);
    *description = {found.extent.width, found.extent.height, format_of(found.format),
                    count_of(found.format)};
  });
}

CUresult cuArrayDestroy(CUarray array) {
  if (array == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  return with_context("cuArrayDestroy", [&] { return cudaFreeArray(same(array)); });
}

// --- Copies along an array of one dimension; offsets count bytes.

CUresult cuMemcpyHtoA(CUarray array, size_t offset, const void* source, size_t count) {
  return with_context("cuMemcpyHtoA", [&] {
    return cudaMemcpy2DToArray(same(array), offset, 0, source, count, count, 1,
                               cudaMemcpyHostToDevice);
  });
}
CUresult cuMemcpyHtoAAsync(CUarray array, size_t offset, const void* source, size_t count,
                           CUstream stream) {
  return with_context("cuMemcpyHtoAAsync", [&] {
    return cudaMemcpy2DToArrayAsync(same(array), offset, 0, source, count, count, 1,
                                    cudaMemcpyHostToDevice, stream);
  });
}
CUresult cuMemcpyDtoA(CUarray array, size_t offset, CUdeviceptr source, size_t count) {
  return with_context("cuMemcpyDtoA", [&] {
    return cudaMemcpy2DToArray(same(array), offset, 0, pointer(source), count, count, 1,
                               cudaMemcpyDeviceToDevice);
  });
}
CUresult cuMemcpyAtoH(void* destination, CUarray array, size_t offset, size_t count) {
  return with_context("cuMemcpyAtoH", [&] {
    return cudaMemcpy2DFromArray(destination, count, same(array), offset, 0, count, 1,
                                 cudaMemcpyDeviceToHost);
  });
}
CUresult cuMemcpyAtoHAsync(void* destination, CUarray array, size_t offset, size_t count,
                           CUstream stream) {
  return with_context("cuMemcpyAtoHAsync", [&] {
    return cudaMemcpy2DFromArrayAsync(destination, count, same(array), offset, 0, count, 1,
                                      cudaMemcpyDeviceToHost, stream);
  });
}
CUresult cuMemcpyAtoD(CUdeviceptr destination, CUarray array, size_t offset, size_t count) {
  return with_context("cuMemcpyAtoD", [&] {
    return cudaMemcpy2DFromArray(pointer(destination), count, same(array), offset, 0, count, 1,
                                 cudaMemcpyDeviceToDevice);
  });
}

// --- Texture and surface objects.

CUresult cuTexObjectCreate(CUtexObject* object, const CUDA_RESOURCE_DESC* resource,
                           const CUDA_TEXTURE_DESC* texture, const CUDA_RESOURCE_VIEW_DESC* view) {
  return answer("cuTexObjectCreate", [&] {
    require(object != nullptr && resource != nullptr && texture != nullptr);
    if (view != nullptr)
      throw runtime::ApiError(cudaErrorNotSupported,
                              "resource views of textures are not supported");
    const cudaResourceDesc what = resource_of(*resource);
    const cudaTextureDesc how = texture_of(*texture, what);
    require_success(cudaCreateTextureObject(object, &what, &how, nullptr));
  });
}

CUresult cuTexObjectDestroy(CUtexObject object) {
  return with_context("cuTexObjectDestroy", [&] { return cudaDestroyTextureObject(object); });
}

CUresult cuSurfObjectCreate(CUsurfObject* object, const CUDA_RESOURCE_DESC* resource) {
  return answer("cuSurfObjectCreate", [&] {
    require(object != nullptr && resource != nullptr);
    const cudaResourceDesc what = resource_of(*resource);
    require_success(cudaCreateSurfaceObject(object, &what));
  });
}

CUresult cuSurfObjectDestroy(CUsurfObject object) {
  return with_context("cuSurfObjectDestroy", [&] { return cudaDestroySurfaceObject(object); });
}

}  // extern "C"
