#include "emulator/runtime/graph_update.h"

#include <cstring>
#include <unordered_map>

namespace slipstream::emulator::runtime {
namespace {

cudaGraphExecUpdateResultInfo difference(cudaGraphExecUpdateResult what, const GraphNode* node,
                                         const GraphNode* from = nullptr) {
  cudaGraphExecUpdateResultInfo info{};
  info.result = what;
  if (node != nullptr) info.errorNode = Graphs::handle(*node);
  if (from != nullptr) info.errorFromNode = Graphs::handle(*from);
  return info;
}

bool same_edge(const cudaGraphEdgeData& left, const cudaGraphEdgeData& right) {
  return std::memcmp(&left, &right, sizeof left) == 0;
}

// Nodes are paired by the order in which they were added.
using Positions = std::unordered_map<const GraphNode*, size_t>;

Positions positions_of(const Graph& graph) {
  Positions positions;
  for (size_t i = 0; i < graph.nodes.size(); ++i) positions[graph.nodes[i].get()] = i;
  return positions;
}

cudaGraphExecUpdateResultInfo compare(const Graph& old_graph, const Graph& new_graph) {
  if (old_graph.nodes.size() != new_graph.nodes.size()) {
    return difference(cudaGraphExecUpdateErrorTopologyChanged, nullptr);
  }
  const Positions old_positions = positions_of(old_graph);
  const Positions new_positions = positions_of(new_graph);
  for (size_t i = 0; i < new_graph.nodes.size(); ++i) {
    const GraphNode& before = *old_graph.nodes[i];
    const GraphNode& after = *new_graph.nodes[i];
    if (before.operation.index() != after.operation.index()) {
      return difference(cudaGraphExecUpdateErrorNodeTypeChanged, &after);
    }
    if (std::holds_alternative<AllocateOperation>(after.operation) ||
        std::holds_alternative<ConditionalOperation>(after.operation)) {
      return difference(cudaGraphExecUpdateErrorNotSupported, &after);
    }
    if (before.dependencies.size() != after.dependencies.size()) {
      return difference(cudaGraphExecUpdateErrorTopologyChanged, &after);
    }
    for (size_t edge = 0; edge < after.dependencies.size(); ++edge) {
      const NodeDependency& old_edge = before.dependencies[edge];
      const NodeDependency& new_edge = after.dependencies[edge];
      if (old_positions.at(old_edge.node) != new_positions.at(new_edge.node) ||
          !same_edge(old_edge.edge, new_edge.edge)) {
        return difference(cudaGraphExecUpdateErrorTopologyChanged, &after, new_edge.node);
      }
    }
  }
  return difference(cudaGraphExecUpdateSuccess, nullptr);
}

// Child graphs have to fit too.
cudaGraphExecUpdateResultInfo compare_children(const Graph& old_graph, const Graph& new_graph) {
  for (size_t i = 0; i < new_graph.nodes.size(); ++i) {
    const auto* before = std::get_if<ChildGraphOperation>(&old_graph.nodes[i]->operation);
    const auto* after = std::get_if<ChildGraphOperation>(&new_graph.nodes[i]->operation);
    if (before == nullptr || after == nullptr) continue;
    cudaGraphExecUpdateResultInfo info = compare(*before->graph, *after->graph);
    if (info.result == cudaGraphExecUpdateSuccess) {
      info = compare_children(*before->graph, *after->graph);
    }
    if (info.result != cudaGraphExecUpdateSuccess) return info;
  }
  return difference(cudaGraphExecUpdateSuccess, nullptr);
}

}  // namespace

cudaGraphExecUpdateResultInfo update_exec(GraphExec& exec, const Graph& graph) {
  cudaGraphExecUpdateResultInfo info = compare(*exec.graph, graph);
  if (info.result != cudaGraphExecUpdateSuccess) return info;
  info = compare_children(*exec.graph, graph);
  if (info.result != cudaGraphExecUpdateSuccess) return info;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Operation operation = graph.nodes[i]->operation;
    if (auto* child = std::get_if<ChildGraphOperation>(&operation)) {
      child->graph = child->graph->clone();
    }
    exec.graph->nodes[i]->operation = std::move(operation);
  }
  return info;
}

}  // namespace slipstream::emulator::runtime
