// CUDA arrays, copies between them and memory, and texture and surface objects.
#include <cuda_runtime_api.h>

#include <map>

#include "emulator/runtime/array.h"
#include "emulator/runtime/copy.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/stream.h"

using namespace slipstream::emulator::runtime;

namespace {

// Texture and surface objects: what they were made of. The handle is the address of the device's Image.
struct Object {
  cudaResourceDesc resource;
  cudaTextureDesc texture;
};
std::map<unsigned long long, Object>& objects() {
  static auto* all = new std::map<unsigned long long, Object>;
  return *all;
}

unsigned long long make_object(const slipstream::emulator::Image& image, const Object& object) {
  const uint64_t address =
      device().allocate(sizeof(image), slipstream::emulator::MemoryKind::kModule,
                        "texture or surface object", current_device());
  require(address != 0, cudaErrorMemoryAllocation);
  device().copy(address, reinterpret_cast<uint64_t>(&image), sizeof(image));
  objects()[address] = object;
  return address;
}

const Object& object_of(unsigned long long handle) {
  const auto found = objects().find(handle);
  require(found != objects().end());
  return found->second;
}

void destroy_object(unsigned long long handle) {
  static_cast<void>(object_of(handle));
  run_all(current_device());  // a kernel may still use it
  objects().erase(handle);
  device().free(handle);
}

Stream& default_stream() { return streams().resolve(nullptr); }

CopyOperation copy_to_array(cudaArray_t array, size_t byte, size_t row, const void* source,
                            size_t pitch, size_t width, size_t height, cudaMemcpyKind kind) {
  const Array& target = arrays().resolve(array);
  require(byte + width <= target.pitch() && row + height <= target.rows());
  return row_copy(pointer_to(target.at(byte, row, 0)), target.pitch(), source, pitch, width, height,
                  kind);
}

CopyOperation copy_from_array(void* destination, size_t pitch, cudaArray_const_t array, size_t byte,
                              size_t row, size_t width, size_t height, cudaMemcpyKind kind) {
  const Array& from = arrays().resolve(array);
  require(byte + width <= from.pitch() && row + height <= from.rows());
  return row_copy(destination, pitch, pointer_to(from.at(byte, row, 0)), from.pitch(), width,
                  height, kind);
}

// `count` bytes of an array's rows, from the start of one on.
CopyOperation flat_copy_to_array(cudaArray_t array, size_t byte, size_t row, const void* source,
                                 size_t count, cudaMemcpyKind kind) {
  return flat_copy(pointer_to(arrays().resolve(array).at(byte, row, 0)), source, count, kind);
}
CopyOperation flat_copy_from_array(void* destination, cudaArray_const_t array, size_t byte,
                                   size_t row, size_t count, cudaMemcpyKind kind) {
  return flat_copy(destination, pointer_to(arrays().resolve(array).at(byte, row, 0)), count, kind);
}

}  // namespace

extern "C" {

// --- Arrays.

cudaError_t cudaMallocArray(cudaArray_t* array, const cudaChannelFormatDesc* format, size_t width,
                            size_t height, unsigned int flags) {
  return api("cudaMallocArray", [&] {
    require(array != nullptr && format != nullptr);
    *array = arrays().create(*format, {width, height, 0}, flags);
  });
}

cudaError_t cudaMalloc3DArray(cudaArray_t* array, const cudaChannelFormatDesc* format,
                              cudaExtent extent, unsigned int flags) {
  return api("cudaMalloc3DArray", [&] {
    require(array != nullptr && format != nullptr);
    *array = arrays().create(*format, extent, flags);
  });
}

cudaError_t cudaFreeArray(cudaArray_t array) {
  return api("cudaFreeArray", [&] {
    if (array == nullptr) return;
    run_all(current_device());
    arrays().destroy(array);
  });
}

cudaError_t cudaArrayGetInfo(cudaChannelFormatDesc* format, cudaExtent* extent, unsigned int* flags,
                             cudaArray_t array) {
  return api("cudaArrayGetInfo", [&] {
    const Array& found = arrays().resolve(array);
    if (format != nullptr) *format = found.format;
    if (extent != nullptr) *extent = found.extent;
    if (flags != nullptr) *flags = found.flags;
  });
}

cudaError_t cudaGetChannelDesc(cudaChannelFormatDesc* format, cudaArray_const_t array) {
  return api("cudaGetChannelDesc", [&] {
    require(format != nullptr);
    *format = arrays().resolve(array).format;
  });
}

// --- Copies.

cudaError_t cudaMemcpy2DToArray(cudaArray_t array, size_t byte, size_t row, const void* source,
                                size_t pitch, size_t width, size_t height, cudaMemcpyKind kind) {
  return api("cudaMemcpy2DToArray", [&] {
    enqueue_copy_and_wait(default_stream(),
                          copy_to_array(array, byte, row, source, pitch, width, height, kind));
  });
}

cudaError_t cudaMemcpy2DToArrayAsync(cudaArray_t array, size_t byte, size_t row, const void* source,
                                     size_t pitch, size_t width, size_t height, cudaMemcpyKind kind,
                                     cudaStream_t stream) {
  return api("cudaMemcpy2DToArrayAsync", [&] {
    enqueue_copy(streams().resolve(stream),
                 copy_to_array(array, byte, row, source, pitch, width, height, kind));
  });
}

cudaError_t cudaMemcpy2DFromArray(void* destination, size_t pitch, cudaArray_const_t array,
                                  size_t byte, size_t row, size_t width, size_t height,
                                  cudaMemcpyKind kind) {
  return api("cudaMemcpy2DFromArray", [&] {
    enqueue_copy_and_wait(default_stream(), copy_from_array(destination, pitch, array, byte, row,
                                                            width, height, kind));
  });
}

cudaError_t cudaMemcpy2DFromArrayAsync(void* destination, size_t pitch, cudaArray_const_t array,
                                       size_t byte, size_t row, size_t width, size_t height,
                                       cudaMemcpyKind kind, cudaStream_t stream) {
  return api("cudaMemcpy2DFromArrayAsync", [&] {
    enqueue_copy(streams().resolve(stream),
                 copy_from_array(destination, pitch, array, byte, row, width, height, kind));
  });
}

cudaError_t cudaMemcpyToArray(cudaArray_t array, size_t byte, size_t row, const void* source,
                              size_t count, cudaMemcpyKind kind) {
  return api("cudaMemcpyToArray", [&] {
    enqueue_copy_and_wait(default_stream(),
                          flat_copy_to_array(array, byte, row, source, count, kind));
  });
}

cudaError_t cudaMemcpyToArrayAsync(cudaArray_t array, size_t byte, size_t row, const void* source,
                                   size_t count, cudaMemcpyKind kind, cudaStream_t stream) {
  return api("cudaMemcpyToArrayAsync", [&] {
    enqueue_copy(streams().resolve(stream),
                 flat_copy_to_array(array, byte, row, source, count, kind));
  });
}

cudaError_t cudaMemcpyFromArray(void* destination, cudaArray_const_t array, size_t byte, size_t row,
                                size_t count, cudaMemcpyKind kind) {
  return api("cudaMemcpyFromArray", [&] {
    enqueue_copy_and_wait(default_stream(),
                          flat_copy_from_array(destination, array, byte, row, count, kind));
  });
}

cudaError_t cudaMemcpyFromArrayAsync(void* destination, cudaArray_const_t array, size_t byte,
                                     size_t row, size_t count, cudaMemcpyKind kind,
                                     cudaStream_t stream) {
  return api("cudaMemcpyFromArrayAsync", [&] {
    enqueue_copy(streams().resolve(stream),
                 flat_copy_from_array(destination, array, byte, row, count, kind));
  });
}

// --- Texture and surface objects.

cudaError_t cudaCreateTextureObject(cudaTextureObject_t* object, const cudaResourceDesc* resource,
                                    const cudaTextureDesc* texture,
                                    const cudaResourceViewDesc* view) {
  return api("cudaCreateTextureObject", [&] {
    require(object != nullptr && resource != nullptr && texture != nullptr);
    if (view != nullptr)
      throw ApiError(cudaErrorNotSupported, "resource views of textures are not supported");
    *object = make_object(texture_image(*resource, *texture), {*resource, *texture});
  });
}

cudaError_t cudaDestroyTextureObject(cudaTextureObject_t object) {
  return api("cudaDestroyTextureObject", [&] { destroy_object(object); });
}

cudaError_t cudaGetTextureObjectResourceDesc(cudaResourceDesc* resource,
                                             cudaTextureObject_t object) {
  return api("cudaGetTextureObjectResourceDesc", [&] {
    require(resource != nullptr);
    *resource = object_of(object).resource;
  });
}

cudaError_t cudaGetTextureObjectTextureDesc(cudaTextureDesc* texture, cudaTextureObject_t object) {
  return api("cudaGetTextureObjectTextureDesc", [&] {
    require(texture != nullptr);
    *texture = object_of(object).texture;
  });
}

cudaError_t cudaCreateSurfaceObject(cudaSurfaceObject_t* object, const cudaResourceDesc* resource) {
  return api("cudaCreateSurfaceObject", [&] {
    require(object != nullptr && resource != nullptr);
    *object = make_object(surface_image(*resource), {*resource, {}});
  });
}

cudaError_t cudaDestroySurfaceObject(cudaSurfaceObject_t object) {
  return api("cudaDestroySurfaceObject", [&] { destroy_object(object); });
}

cudaError_t cudaGetSurfaceObjectResourceDesc(cudaResourceDesc* resource,
                                             cudaSurfaceObject_t object) {
  return api("cudaGetSurfaceObjectResourceDesc", [&] {
    require(resource != nullptr);
    *resource = object_of(object).resource;
  });
}

}  // extern "C"
