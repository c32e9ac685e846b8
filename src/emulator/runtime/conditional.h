// Conditional graph nodes: if, while and switch on a value that kernels set.
#pragma once

#include <driver_types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/device/device.h"
#include "emulator/runtime/operation.h"

namespace slipstream::emulator::runtime {

struct GraphNode;

// The handle that kernels get is the address of the value.
struct Condition {
  uint64_t address = 0;
  unsigned int default_value = 0;
  bool assigns_default = false;  // at each launch of the graph

  Condition() = default;
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  ~Condition();
};

// A new condition of the graph.
cudaGraphConditionalHandle make_condition(Graph& graph, unsigned int default_value,
                                          unsigned int flags);

// Throws ApiError cudaErrorInvalidValue where the handle is unknown or the type cannot have so many bodies.
ConditionalOperation conditional_operation(const cudaConditionalNodeParams& parameters);
// Tells the program which graphs the bodies of its new conditional node are; other nodes have none.
void give_bodies(cudaGraphNodeParams& parameters, GraphNode& node);

// At the launch of a graph: what its nodes have to come after.
std::vector<Dependency> reset_conditions(const Graph& graph,
                                         const std::vector<Dependency>& dependencies,
                                         uint32_t number);

// Looks at the condition and runs bodies, inside a host operation: one node after the other, in every schedule.
void run_conditional(const ConditionalOperation& operation);

}  // namespace slipstream::emulator::runtime
