// Device, pinned and managed memory, and what a pointer is.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>

#include "emulator/program/round_up.h"
#include "emulator/runtime/capture.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/graph_memory.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/pool.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/stream.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::runtime;

namespace {

constexpr size_t kPitchAlignment = 512;

size_t aligned_pitch(size_t width) { return round_up(width, kPitchAlignment); }

void* allocate(size_t size, MemoryKind kind, const char* call) {
  forbid_while_capturing();
  if (size == 0) return nullptr;
  void* const pointer = allocate_memory(size, kind, call, current_device());
  // The host writes its own memory without telling anybody: all of it counts as written.
  const bool host_writes = kind != MemoryKind::kDevice;
  if (host_writes) device().mark_written(reinterpret_cast<uint64_t>(pointer), size);
  return pointer;
}

std::optional<Allocation> find(const void* pointer) {
  return device().find(reinterpret_cast<uint64_t>(pointer));
}

// Waits for all work of the device that the memory belongs to, as a GPU does: a kernel may still use
// it.
void wait_for_users(const void* pointer) {
  const auto allocation = find(pointer);
  const uint32_t number = allocation ? allocation->device : current_device();
  run_all(number);
  surface_fault(number);
}

void free_memory(void* pointer) {
  if (pointer == nullptr) return;
  forbid_while_capturing();
  const auto allocation = find(pointer);
  require(!allocation || allocation->kind != MemoryKind::kMapped);  // it is unmapped, or closed
  wait_for_users(pointer);
  release_memory(pointer);
  graph_memory().freed(reinterpret_cast<uint64_t>(pointer));
  pools().freed(pointer);
}

// Flags of pinned memory, which cudaHostGetFlags gives back.
std::map<const void*, unsigned int>& host_flags() {
  static auto* all = new std::map<const void*, unsigned int>;
  return *all;
}

bool is_host_kind(MemoryKind kind) {
  return kind == MemoryKind::kPinned || kind == MemoryKind::kRegistered;
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t size) {
  return api("cudaMalloc", [&] {
    require(pointer != nullptr);
    *pointer = allocate(size, MemoryKind::kDevice, "cudaMalloc");
  });
}

cudaError_t cudaMallocManaged(void** pointer, size_t size, unsigned int flags) {
  return api("cudaMallocManaged", [&] {
    require(pointer != nullptr && size > 0);
    require(flags == cudaMemAttachGlobal || flags == cudaMemAttachHost);
    *pointer = allocate(size, MemoryKind::kManaged, "cudaMallocManaged");
  });
}

cudaError_t cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height) {
  return api("cudaMallocPitch", [&] {
    require(pointer != nullptr && pitch != nullptr);
    *pitch = aligned_pitch(width);
    *pointer = allocate(*pitch * height, MemoryKind::kDevice, "cudaMallocPitch");
  });
}

cudaError_t cudaMalloc3D(cudaPitchedPtr* pointer, cudaExtent extent) {
  return api("cudaMalloc3D", [&] {
    require(pointer != nullptr);
    const size_t pitch = aligned_pitch(extent.width);
    void* memory =
        allocate(pitch * extent.height * extent.depth, MemoryKind::kDevice, "cudaMalloc3D");
    *pointer = {memory, pitch, extent.width, extent.height};
  });
}

cudaError_t cudaFree(void* pointer) {
  return api("cudaFree", [&] { free_memory(pointer); });
}

cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned int flags) {
  return api("cudaHostAlloc", [&] {
    constexpr unsigned int kKnown =
        cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
    require(pointer != nullptr && (flags & ~kKnown) == 0);
    *pointer = allocate(size, MemoryKind::kPinned, "cudaHostAlloc");
    host_flags()[*pointer] = flags | cudaHostAllocMapped;
  });
}

cudaError_t cudaMallocHost(void** pointer, size_t size) {
  return cudaHostAlloc(pointer, size, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void* pointer) {
  return api("cudaFreeHost", [&] {
    free_memory(pointer);
    host_flags().erase(pointer);
  });
}

cudaError_t cudaHostRegister(void* pointer, size_t size, unsigned int flags) {
  return api("cudaHostRegister", [&] {
    constexpr unsigned int kKnown =
        cudaHostRegisterPortable | cudaHostRegisterMapped | cudaHostRegisterReadOnly;
    require(pointer != nullptr && size > 0 && (flags & ~kKnown) == 0);
    forbid_while_capturing();
    require(device().register_host(pointer, size, current_device()),
            cudaErrorHostMemoryAlreadyRegistered);
    host_flags()[pointer] = flags;
  });
}

cudaError_t cudaHostUnregister(void* pointer) {
  return api("cudaHostUnregister", [&] {
    require(pointer != nullptr);
    forbid_while_capturing();
    wait_for_users(pointer);
    require(device().unregister_host(pointer), cudaErrorHostMemoryNotRegistered);
    host_flags().erase(pointer);
  });
}

cudaError_t cudaHostGetDevicePointer(void** device_pointer, void* host_pointer,
                                     unsigned int flags) {
  return api("cudaHostGetDevicePointer", [&] {
    require(device_pointer != nullptr && flags == 0);
    require(find(host_pointer).has_value());
    *device_pointer = host_pointer;  // one address space
  });
}

cudaError_t cudaHostGetFlags(unsigned int* flags, void* pointer) {
  return api("cudaHostGetFlags", [&] {
    require(flags != nullptr);
    const auto allocation = find(pointer);
    require(allocation.has_value() && is_host_kind(allocation->kind));
    *flags = host_flags()[pointer_to(allocation->address)];
  });
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  return api("cudaMemGetInfo", [&] {
    const size_t total = device().settings().memory_bytes;
    if (total_bytes != nullptr) *total_bytes = total;
    if (free_bytes != nullptr) *free_bytes = total - device().bytes_in_use(current_device());
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return api("cudaPointerGetAttributes", [&] {
    require(attributes != nullptr);
    *attributes = {};
    auto* address = const_cast<void*>(pointer);
    const auto allocation = find(pointer);
    if (!allocation.has_value()) {
      attributes->type = cudaMemoryTypeUnregistered;
      attributes->device = cudaInvalidDeviceId;
      attributes->hostPointer = address;
      return;
    }
    const bool host = is_host_kind(allocation->kind);
    const bool managed = allocation->kind == MemoryKind::kManaged;
    attributes->type = host      ? cudaMemoryTypeHost
                       : managed ? cudaMemoryTypeManaged
                                 : cudaMemoryTypeDevice;
    attributes->device = static_cast<int>(allocation->device);
    attributes->devicePointer = address;
    attributes->hostPointer = host || managed ? address : nullptr;
  });
}

// Hints about where managed memory should live: there is one place for it.
cudaError_t cudaMemPrefetchAsync(const void* pointer, size_t /*count*/,
                                 cudaMemLocation /*location*/, unsigned int flags,
                                 cudaStream_t stream) {
  return api("cudaMemPrefetchAsync", [&] {
    require(flags == 0);
    static_cast<void>(streams().resolve(stream));
    const auto allocation = find(pointer);
    require(allocation.has_value() && allocation->kind == MemoryKind::kManaged);
  });
}

cudaError_t cudaMemAdvise(const void* pointer, size_t /*count*/, cudaMemoryAdvise /*advice*/,
                          cudaMemLocation /*location*/) {
  return api("cudaMemAdvise", [&] {
    const auto allocation = find(pointer);
    require(allocation.has_value() && allocation->kind == MemoryKind::kManaged);
  });
}

}  // extern "C"
