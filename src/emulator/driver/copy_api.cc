// Copies and fills.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include "emulator/driver/array_format.h"
#include "emulator/driver/call.h"
#include "emulator/driver/context.h"
#include "emulator/runtime/array.h"
#include "emulator/runtime/copy.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::require;

namespace {

// What both ends of a copy of rows or planes are: an array, or host or device memory with its pitches.
struct End {
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  size_t pitch;
  size_t x, y, z;
  size_t rows_per_plane;

  [[nodiscard]] cudaArray_t array_or_null() const {
    return type == CU_MEMORYTYPE_ARRAY ? same(array) : nullptr;
  }
  [[nodiscard]] cudaPitchedPtr place() const {
    if (type == CU_MEMORYTYPE_ARRAY) return {};
    const auto* const start = type == CU_MEMORYTYPE_HOST ? host : pointer(device);
    return {const_cast<void*>(start), pitch, pitch, rows_per_plane};
  }
};

// The runtime counts an array's elements where the driver counts bytes: in positions, and in the extent of a copy with
// an array at an end. Memory has positions in bytes.
size_t bytes_per_position(cudaArray_t array) {
  return array == nullptr ? 1 : runtime::arrays().resolve(array).element_bytes;
}
cudaPos position(const End& end) {
  const size_t unit = bytes_per_position(end.array_or_null());
  require(end.x % unit == 0);
  return {end.x / unit, end.y, end.z};
}

cudaMemcpy3DParms planes(const End& destination, const End& source, const cudaExtent& extent) {
  cudaMemcpy3DParms parameters{};
  parameters.dstArray = destination.array_or_null();
  parameters.dstPtr = destination.place();
  parameters.dstPos = position(destination);
  parameters.srcArray = source.array_or_null();
  parameters.srcPtr = source.place();
  parameters.srcPos = position(source);
  const size_t unit = bytes_per_position(parameters.dstArray != nullptr ? parameters.dstArray
                                                                        : parameters.srcArray);
  require(extent.width % unit == 0);
  parameters.extent = {extent.width / unit, extent.height, extent.depth};
  parameters.kind = cudaMemcpyDefault;
  return parameters;
}

cudaError_t copy_planes(const char* function, const End& destination, const End& source,
                        const cudaExtent& extent, const CUstream* stream) {
  if (extent.width == 0 || extent.height == 0 || extent.depth == 0) return cudaSuccess;
  cudaMemcpy3DParms parameters{};
  const cudaError_t code =
      runtime::api(function, [&] { parameters = planes(destination, source, extent); });
  if (code != cudaSuccess) return code;
  return stream == nullptr ? cudaMemcpy3D(&parameters) : cudaMemcpy3DAsync(&parameters, *stream);
}

// A pitch of 0 is the width.
size_t pitch_or(size_t pitch, size_t width) { return pitch != 0 ? pitch : width; }

// The ends of a CUDA_MEMCPY2D or CUDA_MEMCPY3D, whose planes have `height` rows.
template <class Copy>
End destination_of(const Copy& copy, size_t z, size_t height) {
  return {copy.dstMemoryType,
          copy.dstHost,
          copy.dstDevice,
          copy.dstArray,
          pitch_or(copy.dstPitch, copy.WidthInBytes),
          copy.dstXInBytes,
          copy.dstY,
          z,
          height};
}
template <class Copy>
End source_of(const Copy& copy, size_t z, size_t height) {
  return {copy.srcMemoryType,
          copy.srcHost,
          copy.srcDevice,
          copy.srcArray,
          pitch_or(copy.srcPitch, copy.WidthInBytes),
          copy.srcXInBytes,
          copy.srcY,
          z,
          height};
}

CUresult copy_2d(const char* function, const CUDA_MEMCPY2D* copy, const CUstream* stream) {
  if (copy == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context(function, [&] {
    return copy_planes(function, destination_of(*copy, 0, copy->dstY + copy->Height),
                       source_of(*copy, 0, copy->srcY + copy->Height),
                       {copy->WidthInBytes, copy->Height, 1}, stream);
  });
}

CUresult copy_3d(const char* function, const CUDA_MEMCPY3D* copy, const CUstream* stream) {
  if (copy == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return with_context(function, [&] {
    return copy_planes(function,
                       destination_of(*copy, copy->dstZ, pitch_or(copy->dstHeight, copy->Height)),
                       source_of(*copy, copy->srcZ, pitch_or(copy->srcHeight, copy->Height)),
                       {copy->WidthInBytes, copy->Height, copy->Depth}, stream);
  });
}

// Rows of elements of 1, 2 or 4 bytes.
CUresult fill(const char* function, CUdeviceptr destination, size_t pitch, unsigned value,
              unsigned element_bytes, size_t width, size_t height, CUstream stream) {
  return answer(function, [&] {
    runtime::enqueue_fill(
        runtime::streams().resolve(stream),
        runtime::row_fill(pointer(destination), pitch, value, element_bytes, width, height));
  });
}

CUresult copy_peer(const char* function, CUdeviceptr destination, CUcontext destination_context,
                   CUdeviceptr source, CUcontext source_context, size_t count,
                   const CUstream* stream) {
  int to = 0;
  int from = 0;
  const CUresult found = answer_always(function, [&] {
    to = static_cast<int>(contexts().resolve(destination_context).device);
    from = static_cast<int>(contexts().resolve(source_context).device);
  });
  if (found != CUDA_SUCCESS) return found;
  return with_context(function, [&] {
    return stream == nullptr
               ? cudaMemcpyPeer(pointer(destination), to, pointer(source), from, count)
               : cudaMemcpyPeerAsync(pointer(destination), to, pointer(source), from, count,
                                     *stream);
  });
}

}  // namespace

extern "C" {

CUresult cuMemcpy(CUdeviceptr destination, CUdeviceptr source, size_t count) {
  return with_context("cuMemcpy", [&] {
    return cudaMemcpy(pointer(destination), pointer(source), count, cudaMemcpyDefault);
  });
}

CUresult cuMemcpyAsync(CUdeviceptr destination, CUdeviceptr source, size_t count, CUstream stream) {
  return with_context("cuMemcpyAsync", [&] {
    return cudaMemcpyAsync(pointer(destination), pointer(source), count, cudaMemcpyDefault, stream);
  });
}

CUresult cuMemcpyHtoD(CUdeviceptr destination, const void* source, size_t count) {
  return with_context("cuMemcpyHtoD", [&] {
    return cudaMemcpy(pointer(destination), source, count, cudaMemcpyHostToDevice);
  });
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr destination, const void* source, size_t count,
                           CUstream stream) {
  return with_context("cuMemcpyHtoDAsync", [&] {
    return cudaMemcpyAsync(pointer(destination), source, count, cudaMemcpyHostToDevice, stream);
  });
}

CUresult cuMemcpyDtoH(void* destination, CUdeviceptr source, size_t count) {
  return with_context("cuMemcpyDtoH", [&] {
    return cudaMemcpy(destination, pointer(source), count, cudaMemcpyDeviceToHost);
  });
}

CUresult cuMemcpyDtoHAsync(void* destination, CUdeviceptr source, size_t count, CUstream stream) {
  return with_context("cuMemcpyDtoHAsync", [&] {
    return cudaMemcpyAsync(destination, pointer(source), count, cudaMemcpyDeviceToHost, stream);
  });
}

CUresult cuMemcpyDtoD(CUdeviceptr destination, CUdeviceptr source, size_t count) {
  return with_context("cuMemcpyDtoD", [&] {
    return cudaMemcpy(pointer(destination), pointer(source), count, cudaMemcpyDeviceToDevice);
  });
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr destination, CUdeviceptr source, size_t count,
                           CUstream stream) {
  return with_context("cuMemcpyDtoDAsync", [&] {
    return cudaMemcpyAsync(pointer(destination), pointer(source), count, cudaMemcpyDeviceToDevice,
                           stream);
  });
}

CUresult cuMemcpyPeer(CUdeviceptr destination, CUcontext destination_context, CUdeviceptr source,
                      CUcontext source_context, size_t count) {
  return copy_peer("cuMemcpyPeer", destination, destination_context, source, source_context, count,
                   nullptr);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr destination, CUcontext destination_context,
                           CUdeviceptr source, CUcontext source_context, size_t count,
                           CUstream stream) {
  return copy_peer("cuMemcpyPeerAsync", destination, destination_context, source, source_context,
                   count, &stream);
}

CUresult cuMemcpy2D(const CUDA_MEMCPY2D* copy) { return copy_2d("cuMemcpy2D", copy, nullptr); }
CUresult cuMemcpy2DUnaligned(const CUDA_MEMCPY2D* copy) {
  return copy_2d("cuMemcpy2DUnaligned", copy, nullptr);
}
CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D* copy, CUstream stream) {
  return copy_2d("cuMemcpy2DAsync", copy, &stream);
}
CUresult cuMemcpy3D(const CUDA_MEMCPY3D* copy) { return copy_3d("cuMemcpy3D", copy, nullptr); }
CUresult cuMemcpy3DAsync(const CUDA_MEMCPY3D* copy, CUstream stream) {
  return copy_3d("cuMemcpy3DAsync", copy, &stream);
}

// --- Fills.

CUresult cuMemsetD8(CUdeviceptr destination, unsigned char value, size_t count) {
  return fill("cuMemsetD8", destination, count, value, 1, count, 1, nullptr);
}
CUresult cuMemsetD8Async(CUdeviceptr destination, unsigned char value, size_t count,
                         CUstream stream) {
  return fill("cuMemsetD8Async", destination, count, value, 1, count, 1, stream);
}
CUresult cuMemsetD16(CUdeviceptr destination, unsigned short value, size_t count) {
  return fill("cuMemsetD16", destination, 2 * count, value, 2, count, 1, nullptr);
}
CUresult cuMemsetD16Async(CUdeviceptr destination, unsigned short value, size_t count,
                          CUstream stream) {
  return fill("cuMemsetD16Async", destination, 2 * count, value, 2, count, 1, stream);
}
CUresult cuMemsetD32(CUdeviceptr destination, unsigned value, size_t count) {
  return fill("cuMemsetD32", destination, 4 * count, value, 4, count, 1, nullptr);
}
CUresult cuMemsetD32Async(CUdeviceptr destination, unsigned value, size_t count, CUstream stream) {
  return fill("cuMemsetD32Async", destination, 4 * count, value, 4, count, 1, stream);
}
CUresult cuMemsetD2D8(CUdeviceptr destination, size_t pitch, unsigned char value, size_t width,
                      size_t height) {
  return fill("cuMemsetD2D8", destination, pitch, value, 1, width, height, nullptr);
}
CUresult cuMemsetD2D8Async(CUdeviceptr destination, size_t pitch, unsigned char value, size_t width,
                           size_t height, CUstream stream) {
  return fill("cuMemsetD2D8Async", destination, pitch, value, 1, width, height, stream);
}
CUresult cuMemsetD2D16(CUdeviceptr destination, size_t pitch, unsigned short value, size_t width,
                       size_t height) {
  return fill("cuMemsetD2D16", destination, pitch, value, 2, width, height, nullptr);
}
CUresult cuMemsetD2D16Async(CUdeviceptr destination, size_t pitch, unsigned short value,
                            size_t width, size_t height, CUstream stream) {
  return fill("cuMemsetD2D16Async", destination, pitch, value, 2, width, height, stream);
}
CUresult cuMemsetD2D32(CUdeviceptr destination, size_t pitch, unsigned value, size_t width,
                       size_t height) {
  return fill("cuMemsetD2D32", destination, pitch, value, 4, width, height, nullptr);
}
CUresult cuMemsetD2D32Async(CUdeviceptr destination, size_t pitch, unsigned value, size_t width,
                            size_t height, CUstream stream) {
  return fill("cuMemsetD2D32Async", destination, pitch, value, 4, width, height, stream);
}

}  // extern "C"
