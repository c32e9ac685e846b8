// Stream-ordered allocation and memory pools.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "emulator/runtime/error.h"
#include "emulator/runtime/pool.h"
#include "emulator/runtime/stream.h"

using namespace slipstream::emulator::runtime;

namespace {

void give_pool(cudaMemPool_t* handle, int number, Pool& pool) {
  require(handle != nullptr);
  require(number == 0, cudaErrorInvalidDevice);
  *handle = Pools::handle(pool);
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

}  // namespace

extern "C" {

cudaError_t cudaMallocAsync(void** pointer, size_t size, cudaStream_t stream) {
  return api("cudaMallocAsync", [&] {
    require(pointer != nullptr);
    *pointer = pools().allocate(pools().current(), size, streams().resolve(stream));
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
  return api("cudaDeviceGetDefaultMemPool",
             [&] { give_pool(pool, number, pools().default_pool()); });
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int number) {
  return api("cudaDeviceGetMemPool", [&] { give_pool(pool, number, pools().current()); });
}

cudaError_t cudaDeviceSetMemPool(int number, cudaMemPool_t pool) {
  return api("cudaDeviceSetMemPool", [&] {
    require(number == 0, cudaErrorInvalidDevice);
    pools().set_current(pools().resolve(pool));
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
    static_cast<void>(pools().resolve(pool));
    const bool own = location->type == cudaMemLocationTypeDevice && location->id == 0;
    *flags = own ? cudaMemAccessFlagsProtReadWrite : cudaMemAccessFlagsProtNone;
  });
}

cudaError_t cudaMemPoolSetAccess(cudaMemPool_t pool, const cudaMemAccessDesc* descriptions,
                                 size_t count) {
  return api("cudaMemPoolSetAccess", [&] {
    require(count == 0 || descriptions != nullptr);
    static_cast<void>(pools().resolve(pool));
    for (size_t i = 0; i < count; ++i) {
      const cudaMemLocation& location = descriptions[i].location;
      require(location.type == cudaMemLocationTypeDevice && location.id == 0,
              cudaErrorInvalidDevice);
    }
  });
}

}  // extern "C"
