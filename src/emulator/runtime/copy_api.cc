// Copies and fills in all kinds, and variables by their symbol.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <utility>

#include "emulator/runtime/copy.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/registry.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/symbol.h"

using namespace slipstream::emulator::runtime;

namespace {

Stream& default_stream() { return streams().resolve(nullptr); }

// A copy from the memory of one device to that of another.
CopyOperation peer_copy(void* destination, int destination_device, const void* source,
                        int source_device, size_t count) {
  const auto require_on = [](const void* pointer, int number) {
    const uint32_t expected = device_number(number);
    const auto allocation = device().find(reinterpret_cast<uint64_t>(pointer));
    if (allocation && allocation->device != expected) {
      throw ApiError(cudaErrorInvalidValue,
                     fmt::format("{} must be memory of device {}, it is of {}", pointer, number,
                                 allocation->device));
    }
  };
  require_on(destination, destination_device);
  require_on(source, source_device);
  return flat_copy(destination, source, count, cudaMemcpyDeviceToDevice);
}

}  // namespace

extern "C" {

cudaError_t cudaMemcpy(void* destination, const void* source, size_t count, cudaMemcpyKind kind) {
  return api("cudaMemcpy", [&] {
    enqueue_copy_and_wait(default_stream(), flat_copy(destination, source, count, kind));
  });
}

cudaError_t cudaMemcpyAsync(void* destination, const void* source, size_t count,
                            cudaMemcpyKind kind, cudaStream_t stream) {
  return api("cudaMemcpyAsync", [&] {
    enqueue_copy(streams().resolve(stream), flat_copy(destination, source, count, kind));
  });
}

cudaError_t cudaMemcpyPeer(void* destination, int destination_device, const void* source,
                           int source_device, size_t count) {
  return api("cudaMemcpyPeer", [&] {
    CopyOperation copy = peer_copy(destination, destination_device, source, source_device, count);
    run_all(device_number(source_device));
    run_all(device_number(destination_device));
    enqueue_copy_and_wait(default_stream(), std::move(copy));
  });
}

cudaError_t cudaMemcpyPeerAsync(void* destination, int destination_device, const void* source,
                                int source_device, size_t count, cudaStream_t stream) {
  return api("cudaMemcpyPeerAsync", [&] {
    enqueue_copy(streams().resolve(stream),
                 peer_copy(destination, destination_device, source, source_device, count));
  });
}

cudaError_t cudaMemcpy2D(void* destination, size_t destination_pitch, const void* source,
                         size_t source_pitch, size_t width, size_t height, cudaMemcpyKind kind) {
  return api("cudaMemcpy2D", [&] {
    enqueue_copy_and_wait(default_stream(), row_copy(destination, destination_pitch, source,
                                                     source_pitch, width, height, kind));
  });
}

cudaError_t cudaMemcpy2DAsync(void* destination, size_t destination_pitch, const void* source,
                              size_t source_pitch, size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return api("cudaMemcpy2DAsync", [&] {
    enqueue_copy(streams().resolve(stream), row_copy(destination, destination_pitch, source,
                                                     source_pitch, width, height, kind));
  });
}

cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms* parameters) {
  return api("cudaMemcpy3D", [&] {
    require(parameters != nullptr);
    enqueue_copy_and_wait(default_stream(), volume_copy(*parameters));
  });
}

cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms* parameters, cudaStream_t stream) {
  return api("cudaMemcpy3DAsync", [&] {
    require(parameters != nullptr);
    enqueue_copy(streams().resolve(stream), volume_copy(*parameters));
  });
}

cudaError_t cudaMemset(void* destination, int value, size_t count) {
  return api("cudaMemset", [&] {
    enqueue_fill(default_stream(),
                 row_fill(destination, count, static_cast<uint8_t>(value), 1, count, 1));
  });
}

cudaError_t cudaMemsetAsync(void* destination, int value, size_t count, cudaStream_t stream) {
  return api("cudaMemsetAsync", [&] {
    enqueue_fill(streams().resolve(stream),
                 row_fill(destination, count, static_cast<uint8_t>(value), 1, count, 1));
  });
}

cudaError_t cudaMemset2D(void* destination, size_t pitch, int value, size_t width, size_t height) {
  return api("cudaMemset2D", [&] {
    enqueue_fill(default_stream(),
                 row_fill(destination, pitch, static_cast<uint8_t>(value), 1, width, height));
  });
}

cudaError_t cudaMemset2DAsync(void* destination, size_t pitch, int value, size_t width,
                              size_t height, cudaStream_t stream) {
  return api("cudaMemset2DAsync", [&] {
    enqueue_fill(streams().resolve(stream),
                 row_fill(destination, pitch, static_cast<uint8_t>(value), 1, width, height));
  });
}

cudaError_t cudaMemset3D(cudaPitchedPtr destination, int value, cudaExtent extent) {
  return api("cudaMemset3D", [&] {
    enqueue_fill(default_stream(), volume_fill(destination, static_cast<uint8_t>(value), extent));
  });
}

cudaError_t cudaMemset3DAsync(cudaPitchedPtr destination, int value, cudaExtent extent,
                              cudaStream_t stream) {
  return api("cudaMemset3DAsync", [&] {
    enqueue_fill(streams().resolve(stream),
                 volume_fill(destination, static_cast<uint8_t>(value), extent));
  });
}

// --- Variables.

cudaError_t cudaGetSymbolAddress(void** pointer, const void* symbol) {
  return api("cudaGetSymbolAddress", [&] {
    require(pointer != nullptr);
    *pointer = symbol_range(symbol, 0, 0);
  });
}

cudaError_t cudaGetSymbolSize(size_t* size, const void* symbol) {
  return api("cudaGetSymbolSize", [&] {
    require(size != nullptr);
    *size = registry().symbol(registry().variable(symbol)).size;
  });
}

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* source, size_t count, size_t offset,
                               cudaMemcpyKind kind) {
  return api("cudaMemcpyToSymbol", [&] {
    enqueue_copy_and_wait(default_stream(),
                          flat_copy(symbol_range(symbol, offset, count), source, count, kind));
  });
}

cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* source, size_t count,
                                    size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return api("cudaMemcpyToSymbolAsync", [&] {
    enqueue_copy(streams().resolve(stream),
                 flat_copy(symbol_range(symbol, offset, count), source, count, kind));
  });
}

cudaError_t cudaMemcpyFromSymbol(void* destination, const void* symbol, size_t count, size_t offset,
                                 cudaMemcpyKind kind) {
  return api("cudaMemcpyFromSymbol", [&] {
    enqueue_copy_and_wait(default_stream(),
                          flat_copy(destination, symbol_range(symbol, offset, count), count, kind));
  });
}

cudaError_t cudaMemcpyFromSymbolAsync(void* destination, const void* symbol, size_t count,
                                      size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return api("cudaMemcpyFromSymbolAsync", [&] {
    enqueue_copy(streams().resolve(stream),
                 flat_copy(destination, symbol_range(symbol, offset, count), count, kind));
  });
}

}  // extern "C"
