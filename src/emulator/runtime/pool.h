// Memory pools and stream-ordered allocation.
//
// Memory exists from the moment of the call and is freed in stream order. Work that follows in the
// stream and uses it is then a use after free, which the device reports.
#pragma once

#include <driver_types.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "emulator/runtime/stream.h"

namespace slipstream::emulator::runtime {

// Where a pool's memory is. On the host and managed it is all devices'.
struct PoolPlace {
  MemoryKind kind = MemoryKind::kPool;
  uint32_t device = 0;

  auto operator<=>(const PoolPlace&) const = default;
};
// Throws ApiError for places that have no pools.
PoolPlace pool_place(const cudaMemLocation& location, cudaMemAllocationType type);

struct Pool {
  PoolPlace place;
  uint64_t id = 0;             // what other processes know it by; 0: they do not
  bool is_imported = false;    // another process allocates from it
  DeviceSet shared_with = 0;   // other devices that may use its memory
  uint64_t maximum_bytes = 0;  // 0: as much as there is
  uint64_t release_threshold = 0;
  uint64_t used_bytes = 0;
  uint64_t used_high = 0;
  std::map<cudaMemPoolAttr, int> reuse_policies;
};

class Pools {
 public:
  Pool& create(const cudaMemPoolProps& properties);
  Pool& import_one(uint64_t id);
  void destroy(cudaMemPool_t handle);
  Pool& resolve(cudaMemPool_t handle);
  static cudaMemPool_t handle(const Pool& pool);
  Pool& default_pool(const PoolPlace& place);
  Pool& current(const PoolPlace& place);
  void set_current(Pool& pool) { current_[pool.place] = &pool; }
  // Lets other devices use the pool's memory, what is allocated and what will be.
  void share(Pool& pool, DeviceSet devices);

  // Of memory that was allocated from one. Throws ApiError cudaErrorInvalidValue for other memory.
  const Pool& pool_of(void* pointer) const;

  void* allocate(Pool& pool, size_t size, Stream& stream);
  // Throws ApiError cudaErrorInvalidValue where no live allocation starts at `pointer`.
  void free(void* pointer, Stream& stream);
  // The memory has been freed by cudaFree().
  void freed(void* pointer);
  void forget_memory(uint32_t device);  // cudaDeviceReset()

 private:
  struct Block {
    Pool* pool;
    uint64_t size;
  };

  std::map<PoolPlace, Pool> default_;
  std::map<PoolPlace, Pool*> current_;
  std::map<cudaMemPool_t, std::unique_ptr<Pool>> created_;
  std::map<void*, Block> blocks_;
};

Pools& pools();

}  // namespace slipstream::emulator::runtime
