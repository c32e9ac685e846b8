// Device, pinned and managed memory, pools of it, and what a pointer is.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <optional>

#include "emulator/driver/call.h"
#include "emulator/driver/context.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::require;

namespace {

std::optional<Allocation> find_allocation(CUdeviceptr address) {
  return runtime::device().find(address);
}

cudaMemLocation* same(CUmemLocation* location) {
  static_assert(sizeof(CUmemLocation) == sizeof(cudaMemLocation));
  return reinterpret_cast<cudaMemLocation*>(location);
}
cudaMemAllocationType same(CUmemAllocationType type) {
  return static_cast<cudaMemAllocationType>(type);
}

bool is_host_kind(MemoryKind kind) {
  return kind == MemoryKind::kPinned || kind == MemoryKind::kRegistered;
}

template <class Value, class Given>
void store(void* target, Given value) {
  *static_cast<Value*>(target) = static_cast<Value>(value);
}

void tell(void* target, CUpointer_attribute attribute, CUdeviceptr address,
          const Allocation& allocation) {
  const bool is_host = is_host_kind(allocation.kind);
  const bool is_managed = allocation.kind == MemoryKind::kManaged;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return store<CUcontext>(target, handle_of(contexts().primary(allocation.device)));
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return store<unsigned>(target, is_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      return store<CUdeviceptr>(target, address);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      require(is_host || is_managed);
      return store<void*>(target, pointer(address));
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      return store<unsigned>(target, is_managed ? 1 : 0);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      return store<unsigned long long>(target, allocation.serial);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return store<int>(target, allocation.device);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      return store<CUdeviceptr>(target, allocation.address);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      return store<size_t>(target, allocation.size);
    case CU_POINTER_ATTRIBUTE_MAPPED:
      return store<unsigned>(target, 1);
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      return store<unsigned>(target, 0);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return store<unsigned long long>(target, 0);
    default:
      throw runtime::ApiError(cudaErrorNotSupported);
  }
}

// What cuPointerGetAttributes says of memory that is nobody's.
void tell_of_none(void* target, CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return store<int>(target, -2);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      return store<unsigned>(target, 0);
    default:
      return store<unsigned long long>(target, 0);
  }
}

}  // namespace

extern "C" {

CUresult cuMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  return with_context("cuMemGetInfo", [&] { return cudaMemGetInfo(free_bytes, total_bytes); });
}

CUresult cuMemAlloc(CUdeviceptr* address, size_t size) {
  if (size == 0) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuMemAlloc", [&] { return cudaMalloc(pointer(address), size); });
}

CUresult cuMemAllocPitch(CUdeviceptr* address, size_t* pitch, size_t width, size_t height,
                         unsigned element_size) {
  if (element_size != 4 && element_size != 8 && element_size != 16) return CUDA_ERROR_INVALID_VALUE;
  return with_context("cuMemAllocPitch",
                      [&] { return cudaMallocPitch(pointer(address), pitch, width, height); });
}

CUresult cuMemAllocManaged(CUdeviceptr* address, size_t size, unsigned flags) {
  return with_context("cuMemAllocManaged",
                      [&] { return cudaMallocManaged(pointer(address), size, flags); });
}

CUresult cuMemFree(CUdeviceptr address) {
  return with_context("cuMemFree", [&] { return cudaFree(pointer(address)); });
}

CUresult cuMemGetAddressRange(CUdeviceptr* base, size_t* size, CUdeviceptr address) {
  return answer("cuMemGetAddressRange", [&] {
    const auto allocation = find_allocation(address);
    require(allocation.has_value(), cudaErrorSymbolNotFound);
    if (base != nullptr) *base = allocation->address;
    if (size != nullptr) *size = allocation->size;
  });
}

// --- The host's.

CUresult cuMemAllocHost(void** host, size_t size) {
  return with_context("cuMemAllocHost", [&] { return cudaMallocHost(host, size); });
}

CUresult cuMemHostAlloc(void** host, size_t size, unsigned flags) {
  return with_context("cuMemHostAlloc", [&] { return cudaHostAlloc(host, size, flags); });
}

CUresult cuMemFreeHost(void* host) {
  return with_context("cuMemFreeHost", [&] { return cudaFreeHost(host); });
}

CUresult cuMemHostRegister(void* host, size_t size, unsigned flags) {
  return with_context("cuMemHostRegister", [&] { return cudaHostRegister(host, size, flags); });
}

CUresult cuMemHostUnregister(void* host) {
  return with_context("cuMemHostUnregister", [&] { return cudaHostUnregister(host); });
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr* address, void* host, unsigned flags) {
  return with_context("cuMemHostGetDevicePointer",
                      [&] { return cudaHostGetDevicePointer(pointer(address), host, flags); });
}

CUresult cuMemHostGetFlags(unsigned* flags, void* host) {
  return with_context("cuMemHostGetFlags", [&] { return cudaHostGetFlags(flags, host); });
}

// --- Pools, and memory in the order of a stream.

CUresult cuMemAllocAsync(CUdeviceptr* address, size_t size, CUstream stream) {
  return with_context("cuMemAllocAsync",
                      [&] { return cudaMallocAsync(pointer(address), size, stream); });
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* address, size_t size, CUmemoryPool pool,
                                 CUstream stream) {
  return with_context("cuMemAllocFromPoolAsync", [&] {
    return cudaMallocFromPoolAsync(pointer(address), size, pool, stream);
  });
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  return with_context("cuMemFreeAsync", [&] { return cudaFreeAsync(pointer(address), stream); });
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  return without_context("cuDeviceGetDefaultMemPool",
                         [&] { return cudaDeviceGetDefaultMemPool(pool, device); });
}

CUresult cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice device) {
  return without_context("cuDeviceGetMemPool", [&] { return cudaDeviceGetMemPool(pool, device); });
}

CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool) {
  return without_context("cuDeviceSetMemPool", [&] { return cudaDeviceSetMemPool(device, pool); });
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool* pool, CUmemLocation* location,
                                CUmemAllocationType type) {
  return without_context("cuMemGetDefaultMemPool", [&] {
    return cudaMemGetDefaultMemPool(pool, same(location), same(type));
  });
}

CUresult cuMemGetMemPool(CUmemoryPool* pool, CUmemLocation* location, CUmemAllocationType type) {
  return without_context("cuMemGetMemPool",
                         [&] { return cudaMemGetMemPool(pool, same(location), same(type)); });
}

CUresult cuMemSetMemPool(CUmemLocation* location, CUmemAllocationType type, CUmemoryPool pool) {
  return without_context("cuMemSetMemPool",
                         [&] { return cudaMemSetMemPool(same(location), same(type), pool); });
}

CUresult cuMemPoolCreate(CUmemoryPool* pool, const CUmemPoolProps* properties) {
  static_assert(sizeof(CUmemPoolProps) == sizeof(cudaMemPoolProps));
  return without_context("cuMemPoolCreate", [&] {
    return cudaMemPoolCreate(pool, reinterpret_cast<const cudaMemPoolProps*>(properties));
  });
}

CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  return without_context("cuMemPoolDestroy", [&] { return cudaMemPoolDestroy(pool); });
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t bytes_to_keep) {
  return without_context("cuMemPoolTrimTo", [&] { return cudaMemPoolTrimTo(pool, bytes_to_keep); });
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  return without_context("cuMemPoolGetAttribute", [&] {
    return cudaMemPoolGetAttribute(pool, static_cast<cudaMemPoolAttr>(attribute), value);
  });
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  return without_context("cuMemPoolSetAttribute", [&] {
    return cudaMemPoolSetAttribute(pool, static_cast<cudaMemPoolAttr>(attribute), value);
  });
}

CUresult cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc* descriptions, size_t count) {
  static_assert(sizeof(CUmemAccessDesc) == sizeof(cudaMemAccessDesc));
  return without_context("cuMemPoolSetAccess", [&] {
    return cudaMemPoolSetAccess(pool, reinterpret_cast<const cudaMemAccessDesc*>(descriptions),
                                count);
  });
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags* flags, CUmemoryPool pool, CUmemLocation* location) {
  static_assert(sizeof(CUmemLocation) == sizeof(cudaMemLocation));
  return without_context("cuMemPoolGetAccess", [&] {
    return cudaMemPoolGetAccess(reinterpret_cast<cudaMemAccessFlags*>(flags), pool,
                                reinterpret_cast<cudaMemLocation*>(location));
  });
}

CUresult cuMemPoolExportToShareableHandle(void* handle, CUmemoryPool pool,
                                          CUmemAllocationHandleType type,
                                          unsigned long long flags) {
  return without_context("cuMemPoolExportToShareableHandle", [&] {
    return cudaMemPoolExportToShareableHandle(
        handle, pool, static_cast<cudaMemAllocationHandleType>(type), static_cast<unsigned>(flags));
  });
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool* pool, void* handle,
                                            CUmemAllocationHandleType type,
                                            unsigned long long flags) {
  return without_context("cuMemPoolImportFromShareableHandle", [&] {
    return cudaMemPoolImportFromShareableHandle(
        pool, handle, static_cast<cudaMemAllocationHandleType>(type), static_cast<unsigned>(flags));
  });
}

CUresult cuMemPoolExportPointer(CUmemPoolPtrExportData* data, CUdeviceptr address) {
  static_assert(sizeof(CUmemPoolPtrExportData) == sizeof(cudaMemPoolPtrExportData));
  return without_context("cuMemPoolExportPointer", [&] {
    return cudaMemPoolExportPointer(reinterpret_cast<cudaMemPoolPtrExportData*>(data),
                                    pointer(address));
  });
}

CUresult cuMemPoolImportPointer(CUdeviceptr* address, CUmemoryPool pool,
                                CUmemPoolPtrExportData* data) {
  return without_context("cuMemPoolImportPointer", [&] {
    return cudaMemPoolImportPointer(pointer(address), pool,
                                    reinterpret_cast<cudaMemPoolPtrExportData*>(data));
  });
}

// --- What a pointer is.

CUresult cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr address) {
  return answer("cuPointerGetAttribute", [&] {
    const auto allocation = find_allocation(address);
    require(data != nullptr && allocation.has_value());
    tell(data, attribute, address, *allocation);
  });
}

CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute* attributes, void** data,
                                CUdeviceptr address) {
  return answer("cuPointerGetAttributes", [&] {
    require(attributes != nullptr && data != nullptr);
    const auto allocation = find_allocation(address);
    for (unsigned i = 0; i < count; ++i) {
      const bool has_host_address = allocation && (is_host_kind(allocation->kind) ||
                                                   allocation->kind == MemoryKind::kManaged);
      const bool has_none = attributes[i] == CU_POINTER_ATTRIBUTE_HOST_POINTER && !has_host_address;
      if (!allocation || has_none) {
        tell_of_none(data[i], attributes[i]);
      } else {
        tell(data[i], attributes[i], address, *allocation);
      }
    }
  });
}

CUresult cuPointerSetAttribute(const void* value, CUpointer_attribute attribute,
                               CUdeviceptr address) {
  return answer("cuPointerSetAttribute", [&] {
    // Copies are synchronous or not as it is; the attribute changes nothing here.
    require(value != nullptr && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS &&
            find_allocation(address).has_value());
  });
}

// Hints about where managed memory should live.
CUresult cuMemPrefetchAsync_v2(CUdeviceptr address, size_t count, CUmemLocation location,
                               unsigned flags, CUstream stream) {
  return with_context("cuMemPrefetchAsync", [&] {
    return cudaMemPrefetchAsync(pointer(address), count,
                                {static_cast<cudaMemLocationType>(location.type), location.id},
                                flags, stream);
  });
}

CUresult cuMemAdvise_v2(CUdeviceptr address, size_t count, CUmem_advise advice,
                        CUmemLocation location) {
  return with_context("cuMemAdvise", [&] {
    return cudaMemAdvise(pointer(address), count, static_cast<cudaMemoryAdvise>(advice),
                         {static_cast<cudaMemLocationType>(location.type), location.id});
  });
}

}  // extern "C"
