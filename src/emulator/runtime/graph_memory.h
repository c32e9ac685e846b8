// Memory that graphs allocate and free by nodes.
//
// A node's address is known when the node is made. The memory is new at each launch, and gone from the free node, or the
// program's free, until the next launch: a use in between is found like any use after free.
#pragma once

#include <driver_types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "emulator/device/device.h"

namespace slipstream::emulator::runtime {

struct Graph;

struct GraphAllocation : std::enable_shared_from_this<GraphAllocation> {
  uint64_t address = 0;
  uint64_t size = 0;
  uint32_t device = 0;
  bool outstanding = false;  // allocated by submitted work, and not freed by later work

  GraphAllocation() = default;
  GraphAllocation(const GraphAllocation&) = delete;
  GraphAllocation& operator=(const GraphAllocation&) = delete;
  ~GraphAllocation();  // when no node has it: the memory stays if the program still has to free it
};

class GraphMemory {
 public:
  std::shared_ptr<GraphAllocation> allocate(uint64_t size, uint32_t device);
  // On the device that the parameters name.
  template <class Parameters>
  std::shared_ptr<GraphAllocation> allocate(const Parameters& parameters) {
    return allocate(parameters.bytesize, device_of(parameters.poolProps));
  }
  // The memory at the address has been allocated, or freed, by work that is submitted. Other memory is no concern
  // of graphs: null.
  void allocated(GraphAllocation& allocation);
  std::shared_ptr<GraphAllocation> freed(uint64_t address);
  void forget(const GraphAllocation& allocation);

  uint64_t used_bytes(uint32_t device) const { return used_.at(device).bytes; }
  uint64_t used_high(uint32_t device) const { return used_.at(device).high; }
  void reset_high(uint32_t device) { used_.at(device).high = used_.at(device).bytes; }

 private:
  static uint32_t device_of(const cudaMemPoolProps& properties);

  struct Used {
    uint64_t bytes = 0;
    uint64_t high = 0;
  };

  std::map<uint64_t, GraphAllocation*> allocations_;
  std::array<Used, kMaxDevices> used_;  // by device
};

GraphMemory& graph_memory();

// Throws ApiError cudaErrorInvalidValue where an earlier launch of the graph left memory that has not been freed, unless
// the launch frees it itself.
void require_freed(const Graph& graph, bool frees_itself);

Ticket submit_allocation(const std::shared_ptr<GraphAllocation>& allocation,
                         const std::vector<Ticket>& dependencies);
Ticket submit_free(uint64_t address, const std::vector<Ticket>& dependencies);

}  // namespace slipstream::emulator::runtime
