#include "emulator/runtime/graph_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/runtime/error.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {

GraphMemory& graph_memory() {
  static auto* all = new GraphMemory;
  return *all;
}

GraphAllocation::~GraphAllocation() { graph_memory().forget(*this); }

std::shared_ptr<GraphAllocation> GraphMemory::allocate(uint64_t size, uint32_t number) {
  require(size > 0);
  auto made = std::make_shared<GraphAllocation>();
  made->address =
      reinterpret_cast<uint64_t>(allocate_memory(size, MemoryKind::kPool, "graph memory", number));
  made->size = size;
  made->device = number;
  allocations_[made->address] = made.get();
  return made;
}

uint32_t GraphMemory::device_of(const cudaMemPoolProps& properties) {
  const bool names_one = properties.location.type == cudaMemLocationTypeDevice;
  return names_one ? device_number(properties.location.id) : current_device();
}

void GraphMemory::allocated(GraphAllocation& allocation) {
  Used& used = used_.at(allocation.device);
  used.bytes += allocation.outstanding ? 0 : allocation.size;
  used.high = std::max(used.high, used.bytes);
  allocation.outstanding = true;
}

std::shared_ptr<GraphAllocation> GraphMemory::freed(uint64_t address) {
  const auto found = allocations_.find(address);
  if (found == allocations_.end() || !found->second->outstanding) return nullptr;
  found->second->outstanding = false;
  used_.at(found->second->device).bytes -= found->second->size;
  return found->second->shared_from_this();
}

void GraphMemory::forget(const GraphAllocation& allocation) {
  allocations_.erase(allocation.address);
  if (!allocation.outstanding) device().free(allocation.address);
}

void require_freed(const Graph& graph, bool frees_itself) {
  for (const auto& node : graph.nodes) {
    const auto* const allocate = std::get_if<AllocateOperation>(&node->operation);
    if (allocate == nullptr || !allocate->allocation->outstanding || frees_itself) continue;
    throw ApiError(
        cudaErrorInvalidValue,
        fmt::format("the graph's memory at {:#x} must be freed before the graph is launched again",
                    allocate->allocation->address));
  }
}

Ticket submit_allocation(const std::shared_ptr<GraphAllocation>& allocation,
                         const std::vector<Ticket>& dependencies) {
  graph_memory().allocated(*allocation);
  const auto renew = [allocation] {
    device().renew(allocation->address, allocation->size,
                   fmt::format("graph memory at {:#x}", allocation->address), allocation->device);
  };
  // From now on the program may name it in copies.
  if (!device().find(allocation->address)) renew();
  return device().submit(renew, dependencies, allocation->device);
}

Ticket submit_free(uint64_t address, const std::vector<Ticket>& dependencies) {
  const auto allocation = device().find(address);
  const uint32_t number = allocation ? allocation->device : current_device();
  // Until then the memory stays, even if its graph goes.
  return device().submit(
      [address, kept = graph_memory().freed(address)] { release_memory(pointer_to(address)); },
      dependencies, number);
}

}  // namespace slipstream::emulator::runtime
