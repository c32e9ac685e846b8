#include "emulator/runtime/graph.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "emulator/runtime/conditional.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/submit.h"

namespace slipstream::emulator::runtime {

Graphs& graphs() {
  static auto* all = new Graphs;
  return *all;
}

bool is_default(const cudaGraphEdgeData& edge) {
  return edge.type == cudaGraphDependencyTypeDefault &&
         edge.from_port == cudaGraphKernelNodePortDefault && edge.to_port == 0;
}

DependencyKind dependency_kind(const cudaGraphEdgeData& edge) {
  require(edge.to_port == 0);
  require(std::ranges::all_of(edge.reserved, [](unsigned char byte) { return byte == 0; }));
  const bool programmatic = edge.type == cudaGraphDependencyTypeProgrammatic;
  require(programmatic || edge.type == cudaGraphDependencyTypeDefault);
  switch (edge.from_port) {
    case cudaGraphKernelNodePortDefault:
      require(!programmatic);
      return DependencyKind::kFull;
    case cudaGraphKernelNodePortProgrammatic:
      require(programmatic);
      return DependencyKind::kProgrammatic;
    case cudaGraphKernelNodePortLaunchCompletion:
      return programmatic ? DependencyKind::kBlockStart : DependencyKind::kLaunchCompletion;
    default:
      throw ApiError(cudaErrorInvalidValue);
  }
}

// --- Structure.

Graph::Graph() { graphs().graph_made(*this); }
Graph::Graph(const HeldObjects& same) : objects(same) { graphs().graph_made(*this); }

Graph::~Graph() {
  graphs().graph_gone(*this);
  for (const auto& node : nodes) graphs().node_gone(*node);
}

GraphNode& Graph::add(Operation operation, const std::vector<NodeDependency>& dependencies) {
  auto node = std::make_unique<GraphNode>();
  node->graph = this;
  node->operation = std::move(operation);
  for (const NodeDependency& dependency : dependencies) add_edge(*node, dependency);
  graphs().node_added(*node);
  nodes.push_back(std::move(node));
  return *nodes.back();
}

void Graph::add_edge(GraphNode& to, NodeDependency dependency) {
  require(dependency.node != nullptr && dependency.node->graph == this && to.graph == this &&
          dependency.node != &to);
  if (dependency_kind(dependency.edge) != DependencyKind::kFull) {
    require(std::holds_alternative<KernelOperation>(dependency.node->operation));
    if (dependency.edge.type == cudaGraphDependencyTypeProgrammatic) {
      require(std::holds_alternative<KernelOperation>(to.operation));
    }
  }
  for (const NodeDependency& known : to.dependencies) require(known.node != dependency.node);
  to.dependencies.push_back(dependency);
}

void Graph::remove(GraphNode& node) {
  for (const auto& other : nodes) {
    std::erase_if(other->dependencies,
                  [&](const NodeDependency& dependency) { return dependency.node == &node; });
  }
  graphs().node_gone(node);
  std::erase_if(nodes, [&](const auto& held) { return held.get() == &node; });
}

std::shared_ptr<Graph> Graph::clone() const {
  auto copy = std::make_shared<Graph>(objects);
  copy->conditions = conditions;
  std::unordered_map<const GraphNode*, GraphNode*> copies;
  for (const auto& node : nodes) {
    GraphNode& made = copy->add(node->operation, {});
    if (auto* child = std::get_if<ChildGraphOperation>(&made.operation)) {
      child->graph = child->graph->clone();
      child->graph->is_child = true;
    }
    if (auto* conditional = std::get_if<ConditionalOperation>(&made.operation)) {
      for (auto& body : conditional->bodies) body = body->clone();
    }
    made.original = node.get();
    copies.emplace(node.get(), &made);
  }
  for (const auto& node : nodes) {
    for (const NodeDependency& dependency : node->dependencies) {
      copies.at(node.get())->dependencies.push_back({copies.at(dependency.node), dependency.edge});
    }
  }
  return copy;
}

std::vector<GraphNode*> Graph::ordered() const {
  std::vector<GraphNode*> order;
  std::set<const GraphNode*> placed;
  // Nodes are mostly added after those they depend on, so one pass is the usual case.
  while (order.size() < nodes.size()) {
    const size_t before = order.size();
    for (const auto& node : nodes) {
      if (placed.contains(node.get())) continue;
      const bool ready = std::ranges::all_of(node->dependencies, [&](const NodeDependency& from) {
        return placed.contains(from.node);
      });
      if (!ready) continue;
      placed.insert(node.get());
      order.push_back(node.get());
    }
    if (order.size() == before) {
      throw ApiError(cudaErrorInvalidValue, "the edges of the graph form a circle");
    }
  }
  return order;
}

// --- Handles.

cudaGraph_t Graphs::handle(const Graph& graph) {
  return reinterpret_cast<cudaGraph_t>(const_cast<Graph*>(&graph));
}

cudaGraphNode_t Graphs::handle(const GraphNode& node) {
  return reinterpret_cast<cudaGraphNode_t>(const_cast<GraphNode*>(&node));
}

std::shared_ptr<Graph> Graphs::resolve(cudaGraph_t handle) {
  auto* graph = reinterpret_cast<Graph*>(handle);
  if (!live_.contains(graph)) throw ApiError(cudaErrorInvalidValue, "there is no such graph");
  return graph->shared_from_this();
}

GraphNode& Graphs::resolve(cudaGraphNode_t handle) {
  auto* node = reinterpret_cast<GraphNode*>(handle);
  if (!nodes_.contains(node)) throw ApiError(cudaErrorInvalidValue, "there is no such graph node");
  return *node;
}

GraphExec& Graphs::resolve(cudaGraphExec_t handle) {
  const auto found = execs_.find(handle);
  if (found == execs_.end()) {
    throw ApiError(cudaErrorInvalidValue, "there is no such executable graph");
  }
  return *found->second;
}

cudaGraph_t Graphs::keep(std::shared_ptr<Graph> graph) {
  const cudaGraph_t made = handle(*graph);
  graphs_.emplace(made, std::move(graph));
  return made;
}

cudaGraphExec_t Graphs::keep(std::unique_ptr<GraphExec> exec) {
  auto* const made = reinterpret_cast<cudaGraphExec_t>(exec.get());
  execs_.emplace(made, std::move(exec));
  return made;
}

void Graphs::destroy(cudaGraph_t handle) { require(graphs_.erase(handle) == 1); }

void Graphs::destroy(cudaGraphExec_t handle) {
  const auto found = execs_.extract(handle);
  require(!found.empty());
  const GraphExec& exec = *found.mapped();
  if (exec.graph->objects.empty() || exec.last_launch == 0) return;
  // What it holds is still needed where it runs.
  device().submit([held = exec.graph] {}, {exec.last_launch}, current_device());
}

void Graphs::forget_work() {
  for (auto& [unused, exec] : execs_) exec->last_launch = 0;
}

GraphNode& GraphExec::node_for(const GraphNode& node) const {
  for (const auto& copy : graph->nodes) {
    if (copy->original == &node) return *copy;
  }
  throw ApiError(cudaErrorInvalidValue, "the node is none of the graph that was instantiated");
}

// --- Execution.

Ticket submit_graph(const Graph& graph, const std::vector<Dependency>& dependencies,
                    uint32_t number) {
  std::unordered_map<const GraphNode*, Ticket> tickets;
  const std::vector<Dependency> start = reset_conditions(graph, dependencies, number);
  // A node whose outgoing edges are all programmatic may outlive its dependents, so all nodes are
  // joined.
  std::vector<Dependency> all = start;
  for (const GraphNode* node : graph.ordered()) {
    std::vector<Dependency> before;
    for (const NodeDependency& dependency : node->dependencies) {
      before.push_back({tickets.at(dependency.node), dependency_kind(dependency.edge)});
    }
    if (before.empty()) before = start;
    const Operation& operation = node->operation;
    tickets[node] = submit_operation(node->enabled ? operation : Operation(EmptyOperation{}),
                                     std::move(before), number);
    all.push_back({tickets[node]});
  }
  return submit_operation(EmptyOperation{}, std::move(all), number);
}

}  // namespace slipstream::emulator::runtime
