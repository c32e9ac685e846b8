#include "emulator/runtime/pool.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "emulator/runtime/capture.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/graph_memory.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/submit.h"

namespace slipstream::emulator::runtime {
namespace {

void* allocate_in_graph(size_t size, Stream& stream) {
  AllocateOperation operation{graph_memory().allocate(size, stream.device)};
  void* const pointer = pointer_to(operation.allocation->address);
  capture_operation(stream, std::move(operation));
  return pointer;
}

// No other process gives the same one.
uint64_t new_id() {
  static uint32_t count = 0;
  return static_cast<uint64_t>(getpid()) << 32U | ++count;
}

}  // namespace

Pools& pools() {
  static auto* all = new Pools;
  return *all;
}

PoolPlace pool_place(const cudaMemLocation& location, cudaMemAllocationType type) {
  const bool is_managed = type == cudaMemAllocationTypeManaged;
  require(is_managed || type == cudaMemAllocationTypePinned);
  switch (location.type) {
    case cudaMemLocationTypeDevice:
      return {is_managed ? MemoryKind::kManaged : MemoryKind::kPool, device_number(location.id)};
    case cudaMemLocationTypeHost:
    case cudaMemLocationTypeHostNuma:
    case cudaMemLocationTypeHostNumaCurrent:
      return {is_managed ? MemoryKind::kManaged : MemoryKind::kPinned, 0};
    default:
      require(is_managed, cudaErrorInvalidDevice);
      return {MemoryKind::kManaged, 0};
  }
}

Pool& Pools::create(const cudaMemPoolProps& properties) {
  const PoolPlace place = pool_place(properties.location, properties.allocType);
  const bool may_be_shared = properties.handleTypes == cudaMemHandleTypePosixFileDescriptor;
  if (!may_be_shared && properties.handleTypes != cudaMemHandleTypeNone) {
    throw ApiError(cudaErrorNotSupported, "memory pools can be handed on as file descriptors only");
  }
  auto pool = std::make_unique<Pool>();
  pool->place = place;
  if (may_be_shared) pool->id = new_id();
  pool->maximum_bytes = properties.maxSize;
  Pool& result = *pool;
  created_.emplace(handle(result), std::move(pool));
  return result;
}

Pool& Pools::import_one(uint64_t id) {
  auto pool = std::make_unique<Pool>();
  pool->place = {MemoryKind::kPool, current_device()};
  pool->id = id;
  pool->is_imported = true;
  Pool& result = *pool;
  created_.emplace(handle(result), std::move(pool));
  return result;
}

cudaMemPool_t Pools::handle(const Pool& pool) {
  return reinterpret_cast<cudaMemPool_t>(const_cast<Pool*>(&pool));
}

Pool& Pools::default_pool(const PoolPlace& place) {
  Pool& pool = default_[place];
  pool.place = place;
  return pool;
}

Pool& Pools::current(const PoolPlace& place) {
  const auto set = current_.find(place);
  return set == current_.end() ? default_pool(place) : *set->second;
}

void Pools::share(Pool& pool, DeviceSet devices) {
  pool.shared_with = devices;
  for (const auto& [pointer, block] : blocks_) {
    if (block.pool == &pool) device().share(reinterpret_cast<uint64_t>(pointer), devices);
  }
}

Pool& Pools::resolve(cudaMemPool_t handle) {
  for (auto& [unused, pool] : default_) {
    if (handle == Pools::handle(pool)) return pool;
  }
  const auto found = created_.find(handle);
  require(found != created_.end());
  return *found->second;
}

void Pools::destroy(cudaMemPool_t handle) {
  Pool& pool = resolve(handle);
  Pool& standard = default_pool(pool.place);
  require(&pool != &standard);
  std::erase_if(current_, [&](const auto& set) { return set.second == &pool; });
  for (auto& [unused, block] : blocks_) {
    if (block.pool == &pool) block.pool = &standard;
  }
  created_.erase(handle);
}

const Pool& Pools::pool_of(void* pointer) const {
  const auto found = blocks_.find(pointer);
  require(found != blocks_.end());
  return *found->second.pool;
}

void* Pools::allocate(Pool& pool, size_t size, Stream& stream) {
  require(!pool.is_imported);
  if (size == 0) return nullptr;
  if (stream.capture != nullptr) return allocate_in_graph(size, stream);
  const bool fits = pool.maximum_bytes == 0 || pool.used_bytes + size <= pool.maximum_bytes;
  require(fits, cudaErrorMemoryAllocation);
  void* const pointer =
      allocate_memory(size, pool.place.kind, "cudaMallocAsync", pool.place.device);
  device().share(reinterpret_cast<uint64_t>(pointer), pool.shared_with);
  blocks_[pointer] = {&pool, size};
  pool.used_bytes += size;
  pool.used_high = std::max(pool.used_high, pool.used_bytes);
  return pointer;
}

void Pools::forget_memory(uint32_t number) {
  std::erase_if(blocks_,
                [&](const auto& block) { return block.second.pool->place.device == number; });
  for (auto& [place, pool] : default_) {
    if (place.device == number) pool.used_bytes = 0;
  }
  for (auto& [unused, pool] : created_) {
    if (pool->place.device == number) pool->used_bytes = 0;
  }
}

void Pools::freed(void* pointer) {
  const auto found = blocks_.find(pointer);
  if (found == blocks_.end()) return;
  found->second.pool->used_bytes -= found->second.size;
  blocks_.erase(found);
}

void Pools::free(void* pointer, Stream& stream) {
  if (pointer == nullptr) return;
  if (stream.capture != nullptr) {
    capture_operation(stream, FreeOperation{reinterpret_cast<uint64_t>(pointer)});
    return;
  }
  if (blocks_.contains(pointer)) {
    freed(pointer);
  } else {
    const auto allocation = device().find(reinterpret_cast<uint64_t>(pointer));
    require(allocation.has_value() && allocation->address == reinterpret_cast<uint64_t>(pointer));
  }
  streams().join_default_stream(stream);
  const Ticket ticket = submit_free(reinterpret_cast<uint64_t>(pointer), tickets_of(stream.tail));
  streams().advance(stream, ticket);
  submitted(ticket);
}

}  // namespace slipstream::emulator::runtime
