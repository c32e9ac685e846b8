// Stream-ordered allocation and memory pools.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "emulator/runtime/error.h"
#include "emulator/runtime/pool.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/stream.h"

using namespace slipstream::emulator;
using namespace slipstream::emulator::runtime;

namespace {

// The devices but `own` of the locations.
DeviceSet other_devices(uint32_t own, const cudaMemAccessDesc* descriptions, size_t count,
                        DeviceSet devices) {
  for (size_t i = 0; i < count; ++i) {
    const cudaMemLocation& location = descriptions[i].location;
    require(location.type == cudaMemLocationTypeDevice, cudaErrorInvalidDevice);
    const DeviceSet bit = 1U << device_number(location.id);
    const bool allowed = descriptions[i].flags == cudaMemAccessFlagsProtReadWrite;
    require(allowed || descriptions[i].flags == cudaMemAccessFlagsProtNone);
    // A device cannot be kept from its own memory.
    require(allowed || bit != 1U << own);
    devices = allowed ? devices | bit : devices & ~bit;
  }
  return devices & ~(1U << own);
}

void get_attribute(Pool& pool, cudaMemPoolAttr attribute, void* value) {
  auto* bytes = static_cast<uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      *bytes = pool.release_threshold;
      return;
    case cudaMemPoolAttrUsedMemCurrent:
    case cudaMemPoolAttrReservedMemCurrent:  // nothing is kept back
      *bytes = pool.used_bytes;
      return;
    case cudaMemPoolAttrUsedMemHigh:
    case cudaMemPoolAttrReservedMemHigh:
      *bytes = pool.used_high;
      return;
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies: {
      const auto found = pool.reuse_policies.find(attribute);
      *static_cast<int*>(value) = found == pool.reuse_policies.end() ? 1 : found->second;
      return;
    }
    default:
      throw ApiError(cudaErrorInvalidValue);
  }
}

void set_attribute(Pool& pool, cudaMemPoolAttr attribute, const void* value) {
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      pool.release_threshold = *static_cast<const uint64_t*>(value);
      return;
    case cudaMemPoolAttrUsedMemHigh:
    case cudaMemPoolAttrReservedMemHigh:
      require(*static_cast<const uint64_t*>(value) == 0);
      pool.used_high = pool.used_bytes;
      return;
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies:
      pool.reuse_policies[attribute] = *static_cast<const int*>(value);
      return;
    default:
      throw ApiError(cudaErrorInvalidValue);
  }
}

PoolPlace place_on(int number) { return {MemoryKind::kPool, device_number(number)}; }
PoolPlace place_of(const cudaMemLocation* location, cudaMemAllocationType type) {
  require(location != nullptr);
  return pool_place(*location, type);
}

}  // namespace

extern "C" {

cudaError_t cudaMallocAsync(void** pointer, size_t size, cudaStream_t stream) {
  return api("cudaMallocAsync", [&] {
    require(pointer != nullptr);
    Stream& target = streams().resolve(stream);
    *pointer = pools().allocate(pools().current({MemoryKind::kPool, target.device}), size, target);
  });
}

cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t size, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  return api("cudaMallocFromPoolAsync", [&] {
    require(pointer != nullptr);
    *pointer = pools().allocate(pools().resolve(pool), size, streams().resolve(stream));
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return api("cudaFreeAsync", [&] { pools().free(pointer, streams().resolve(stream)); });
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int number) {
  return api("cudaDeviceGetDefaultMemPool", [&] {
    require(pool != nullptr);
    *pool = Pools::handle(pools().default_pool(place_on(number)));
  });
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int number) {
  return api("cudaDeviceGetMemPool", [&] {
    require(pool != nullptr);
    *pool = Pools::handle(pools().current(place_on(number)));
  });
}

cudaError_t cudaDeviceSetMemPool(int number, cudaMemPool_t pool) {
  return api("cudaDeviceSetMemPool", [&] {
    Pool& chosen = pools().resolve(pool);
    require(chosen.place == place_on(number), cudaErrorInvalidDevice);
    pools().set_current(chosen);
  });
}

cudaError_t cudaMemGetDefaultMemPool(cudaMemPool_t* pool, cudaMemLocation* location,
                                     cudaMemAllocationType type) {
  return api("cudaMemGetDefaultMemPool", [&] {
    require(pool != nullptr);
    *pool = Pools::handle(pools().default_pool(place_of(location, type)));
  });
}

cudaError_t cudaMemGetMemPool(cudaMemPool_t* pool, cudaMemLocation* location,
                              cudaMemAllocationType type) {
  return api("cudaMemGetMemPool", [&] {
    require(pool != nullptr);
    *pool = Pools::handle(pools().current(place_of(location, type)));
  });
}

cudaError_t cudaMemSetMemPool(cudaMemLocation* location, cudaMemAllocationType type,
                              cudaMemPool_t pool) {
  return api("cudaMemSetMemPool", [&] {
    Pool& chosen = pools().resolve(pool);
    require(chosen.place == place_of(location, type));
    pools().set_current(chosen);
  });
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  return api("cudaMemPoolCreate", [&] {
    require(pool != nullptr && properties != nullptr);
    *pool = Pools::handle(pools().create(*properties));
  });
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  return api_always("cudaMemPoolDestroy", [&] { pools().destroy(pool); });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t /*bytes_to_keep*/) {
  return api("cudaMemPoolTrimTo", [&] { static_cast<void>(pools().resolve(pool)); });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  return api("cudaMemPoolGetAttribute", [&] {
    require(value != nullptr);
    get_attribute(pools().resolve(pool), attribute, value);
  });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  return api("cudaMemPoolSetAttribute", [&] {
    require(value != nullptr);
    set_attribute(pools().resolve(pool), attribute, value);
  });
}

cudaError_t cudaMemPoolGetAccess(cudaMemAccessFlags* flags, cudaMemPool_t pool,
                                 cudaMemLocation* location) {
  return api("cudaMemPoolGetAccess", [&] {
    require(flags != nullptr && location != nullptr);
    const Pool& asked = pools().resolve(pool);
    require(location->type == cudaMemLocationTypeDevice, cudaErrorInvalidDevice);
    const uint32_t number = device_number(location->id);
    const bool allowed = asked.place.kind != MemoryKind::kPool || number == asked.place.device ||
                         (asked.shared_with >> number & 1U) != 0;
    *flags = allowed ? cudaMemAccessFlagsProtReadWrite : cudaMemAccessFlagsProtNone;
  });
}

cudaError_t cudaMemPoolSetAccess(cudaMemPool_t pool, const cudaMemAccessDesc* descriptions,
                                 size_t count) {
  return api("cudaMemPoolSetAccess", [&] {
    require(count == 0 || descriptions != nullptr);
    Pool& shared = pools().resolve(pool);
    pools().share(shared,
                  other_devices(shared.place.device, descriptions, count, shared.shared_with));
  });
}

}  // extern "C"
