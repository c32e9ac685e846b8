#include "emulator/runtime/conditional.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "emulator/runtime/copy.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/library_call.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/runtime.h"
#include "emulator/runtime/submit.h"

namespace slipstream::emulator::runtime {
namespace {

std::map<uint64_t, std::weak_ptr<Condition>>& conditions() {
  static auto* all = new std::map<uint64_t, std::weak_ptr<Condition>>;
  return *all;
}

unsigned int value_of(const Condition& condition) {
  unsigned int value = 0;
  std::memcpy(&value, pointer_to(condition.address), sizeof(value));
  return value;
}

void set_value(const Condition& condition) {
  device().fill(condition.address, condition.default_value, sizeof(condition.default_value), 1);
}

void run_graph(const Graph& graph);

// One overload for each operation that a body may have.
void run(const KernelOperation& operation) {
  if (operation.cooperative()) {
    throw ApiError(cudaErrorNotSupported,
                   "cooperative kernels in conditional graph nodes are not supported");
  }
  device().execute(machine_launch(operation, {}));
}
void run(const CopyOperation& operation) { run_copy(operation); }
void run(const FillOperation& operation) { run_fill(operation); }
void run(const ChildGraphOperation& operation) { run_graph(*operation.graph); }
void run(const ConditionalOperation& operation) { run_conditional(operation); }
void run(const LibraryOperation& operation) { run_library_call(operation); }
void run(const EmptyOperation& /*operation*/) {}
template <class Other>
void run(const Other& /*operation*/) {
  throw ApiError(cudaErrorNotSupported, "a conditional graph node cannot have a node of this type");
}

void run_graph(const Graph& graph) {
  for (const GraphNode* const node : graph.ordered()) {
    if (node->enabled) std::visit([](const auto& operation) { run(operation); }, node->operation);
  }
}

bool may_have(cudaGraphConditionalNodeType type, unsigned int bodies) {
  switch (type) {
    case cudaGraphCondTypeIf:
      return bodies == 1 || bodies == 2;
    case cudaGraphCondTypeWhile:
      return bodies == 1;
    case cudaGraphCondTypeSwitch:
      return bodies > 0;
  }
  return false;
}

}  // namespace

Condition::~Condition() {
  conditions().erase(address);
  device().free(address);
}

cudaGraphConditionalHandle make_condition(Graph& graph, unsigned int default_value,
                                          unsigned int flags) {
  require((flags & ~static_cast<unsigned int>(cudaGraphCondAssignDefault)) == 0);
  auto made = std::make_shared<Condition>();
  made->address = device().allocate(sizeof(default_value), MemoryKind::kModule,
                                    "condition of a graph", current_device());
  require(made->address != 0, cudaErrorMemoryAllocation);
  made->default_value = default_value;
  made->assigns_default = flags != 0;
  set_value(*made);
  conditions()[made->address] = made;
  graph.conditions.push_back(made);
  return made->address;
}

ConditionalOperation conditional_operation(const cudaConditionalNodeParams& parameters) {
  const auto found = conditions().find(parameters.handle);
  require(found != conditions().end() && may_have(parameters.type, parameters.size));
  ConditionalOperation operation{found->second.lock(), parameters.type, {}, {}};
  for (unsigned int i = 0; i < parameters.size; ++i) {
    operation.bodies.push_back(std::make_shared<Graph>());
    operation.bodies.back()->is_child = true;
    operation.handles.push_back(Graphs::handle(*operation.bodies.back()));
  }
  return operation;
}

void give_bodies(cudaGraphNodeParams& parameters, GraphNode& node) {
  if (auto* const conditional = std::get_if<ConditionalOperation>(&node.operation)) {
    parameters.conditional.phGraph_out = conditional->handles.data();
  }
}

std::vector<Dependency> reset_conditions(const Graph& graph,
                                         const std::vector<Dependency>& dependencies,
                                         uint32_t number) {
  const auto& all = graph.conditions;
  const bool any =
      std::ranges::any_of(all, [](const auto& condition) { return condition->assigns_default; });
  if (!any) return dependencies;
  const auto reset = [all] {
    for (const auto& condition : all) {
      if (condition->assigns_default) set_value(*condition);
    }
  };
  return {{device().submit(reset, tickets_of(dependencies), number)}};
}

void run_conditional(const ConditionalOperation& operation) {
  const auto& bodies = operation.bodies;
  switch (operation.type) {
    case cudaGraphCondTypeIf:
      if (value_of(*operation.condition) != 0) {
        run_graph(*bodies[0]);
      } else if (bodies.size() == 2) {
        run_graph(*bodies[1]);
      }
      return;
    case cudaGraphCondTypeWhile:
      while (value_of(*operation.condition) != 0) run_graph(*bodies[0]);
      return;
    case cudaGraphCondTypeSwitch: {
      const unsigned int value = value_of(*operation.condition);
      if (value < bodies.size()) run_graph(*bodies[value]);
      return;
    }
  }
}

}  // namespace slipstream::emulator::runtime
