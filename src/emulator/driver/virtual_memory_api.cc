// Addresses and memory apart: reserved, created, mapped. None of this needs a context.
#include <cuda.h>

#include <cstdint>
#include <span>

#include "emulator/driver/call.h"
#include "emulator/driver/virtual_memory.h"
#include "emulator/runtime/runtime.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::driver;
using slipstream::emulator::runtime::require;

namespace {

void require_device_memory(const CUmemAllocationProp* properties) {
  require(properties != nullptr);
  if (properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
      properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    throw runtime::ApiError(cudaErrorNotSupported, "only pinned memory of devices can be mapped");
  }
  static_cast<void>(runtime::device_number(properties->location.id));
}

void require_file_descriptor(CUmemAllocationHandleType type) {
  if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    throw runtime::ApiError(cudaErrorNotSupported,
                            "memory can be handed on as a file descriptor only");
  }
}

// An unmapped page that a kernel still uses would be a fault.
void wait_for_all_devices() {
  for (uint32_t number = 0; number < runtime::device().settings().devices; ++number)
    runtime::run_all(number);
}

}  // namespace

extern "C" {

CUresult cuMemAddressReserve(CUdeviceptr* address, size_t size, size_t alignment,
                             CUdeviceptr /*wish*/, unsigned long long flags) {
  return answer_always("cuMemAddressReserve", [&] {
    require(address != nullptr && flags == 0);
    *address = virtual_memory().reserve(size, alignment);
  });
}

CUresult cuMemAddressFree(CUdeviceptr address, size_t size) {
  return answer_always("cuMemAddressFree", [&] { virtual_memory().free(address, size); });
}

CUresult cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp* properties,
                                       CUmemAllocationGranularity_flags /*option*/) {
  return answer_always("cuMemGetAllocationGranularity", [&] {
    require(granularity != nullptr);
    require_device_memory(properties);
    *granularity = kMappingGranularity;
  });
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t size,
                     const CUmemAllocationProp* properties, unsigned long long flags) {
  return answer_always("cuMemCreate", [&] {
    require(handle != nullptr && flags == 0);
    require_device_memory(properties);
    if (properties->requestedHandleTypes != CU_MEM_HANDLE_TYPE_NONE)
      require_file_descriptor(properties->requestedHandleTypes);
    *handle = virtual_memory().create(size, *properties);
  });
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  return answer_always("cuMemRelease", [&] { virtual_memory().release(handle); });
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* handle, void* address) {
  return answer_always("cuMemRetainAllocationHandle", [&] {
    require(handle != nullptr);
    *handle = virtual_memory().retain(reinterpret_cast<uint64_t>(address));
  });
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp* properties,
                                                CUmemGenericAllocationHandle handle) {
  return answer_always("cuMemGetAllocationPropertiesFromHandle", [&] {
    require(properties != nullptr);
    *properties = virtual_memory().piece(handle).properties;
  });
}

CUresult cuMemExportToShareableHandle(void* shareable, CUmemGenericAllocationHandle handle,
                                      CUmemAllocationHandleType type, unsigned long long flags) {
  return answer_always("cuMemExportToShareableHandle", [&] {
    require(shareable != nullptr && flags == 0);
    require_file_descriptor(type);
    *static_cast<int*>(shareable) = virtual_memory().export_piece(handle);
  });
}

CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle* handle, void* shareable,
                                        CUmemAllocationHandleType type) {
  return answer_always("cuMemImportFromShareableHandle", [&] {
    require(handle != nullptr);
    require_file_descriptor(type);
    *handle =
        virtual_memory().import_piece(static_cast<int>(reinterpret_cast<intptr_t>(shareable)));
  });
}

CUresult cuMemMap(CUdeviceptr address, size_t size, size_t offset,
                  CUmemGenericAllocationHandle handle, unsigned long long flags) {
  return answer_always("cuMemMap", [&] {
    require(flags == 0);
    virtual_memory().map(address, size, offset, handle);
  });
}

CUresult cuMemUnmap(CUdeviceptr address, size_t size) {
  return answer_always("cuMemUnmap", [&] {
    wait_for_all_devices();
    virtual_memory().unmap(address, size);
  });
}

CUresult cuMemSetAccess(CUdeviceptr address, size_t size, const CUmemAccessDesc* descriptions,
                        size_t count) {
  return answer_always("cuMemSetAccess", [&] {
    require(descriptions != nullptr && count > 0);
    DeviceSet changed = 0;
    DeviceSet allowed = 0;
    for (const CUmemAccessDesc& one : std::span(descriptions, count)) {
      require(one.location.type == CU_MEM_LOCATION_TYPE_DEVICE);
      const DeviceSet bit = 1U << runtime::device_number(one.location.id);
      changed |= bit;
      if (one.flags == CU_MEM_ACCESS_FLAGS_PROT_READ)
        throw runtime::ApiError(cudaErrorNotSupported, "memory cannot be mapped for reads alone");
      if (one.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE) allowed |= bit;
    }
    virtual_memory().set_access(address, size, changed, allowed);
  });
}

CUresult cuMemGetAccess(unsigned long long* flags, const CUmemLocation* location,
                        CUdeviceptr address) {
  return answer_always("cuMemGetAccess", [&] {
    require(flags != nullptr && location != nullptr);
    require(location->type == CU_MEM_LOCATION_TYPE_DEVICE);
    const uint32_t number = runtime::device_number(location->id);
    const bool allowed = (virtual_memory().access(address) >> number & 1U) != 0;
    *flags = allowed ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
  });
}

}  // extern "C"
