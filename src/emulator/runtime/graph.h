// CUDA graphs: nodes, edges with their data, and executable copies.
#pragma once

#include <driver_types.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "emulator/device/device.h"
#include "emulator/runtime/operation.h"
#include "emulator/runtime/stream.h"
#include "emulator/runtime/user_object.h"

namespace slipstream::emulator::runtime {

struct Graph;

struct GraphNode {
  Graph* graph = nullptr;
  Operation operation;
  std::vector<NodeDependency> dependencies;
  bool enabled = true;                  // executable graphs only
  const GraphNode* original = nullptr;  // the node that this one was cloned from
};

struct Graph : std::enable_shared_from_this<Graph> {
  std::vector<std::unique_ptr<GraphNode>> nodes;       // in order of addition
  bool is_child = false;                               // owned by a child graph node
  std::vector<std::shared_ptr<Condition>> conditions;  // made for it
  HeldObjects objects;

  Graph();
  explicit Graph(const HeldObjects& same);
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph();

  // Throws ApiError cudaErrorInvalidValue where a dependency is of another graph, doubled, or
  // carries data that its nodes cannot have.
  GraphNode& add(Operation operation, const std::vector<NodeDependency>& dependencies);
  void add_edge(GraphNode& to, NodeDependency dependency);
  void remove(GraphNode& node);
  [[nodiscard]] std::shared_ptr<Graph> clone() const;
  // Every node after those it depends on. Throws ApiError cudaErrorInvalidValue where the edges
  // form a circle.
  [[nodiscard]] std::vector<GraphNode*> ordered() const;
};

struct GraphExec {
  std::shared_ptr<Graph> graph;  // a clone, made at instantiation
  unsigned long long flags = 0;  // as the API declares them
  Ticket last_launch = 0;        // a graph runs at most once at a time

  // The copy of `node`, a node of the graph that was instantiated. Throws ApiError
  // cudaErrorInvalidValue if none.
  [[nodiscard]] GraphNode& node_for(const GraphNode& node) const;
};

// Handles that the program holds, checked at every use.
class Graphs {
 public:
  std::shared_ptr<Graph> resolve(cudaGraph_t handle);
  GraphNode& resolve(cudaGraphNode_t handle);
  GraphExec& resolve(cudaGraphExec_t handle);

  cudaGraph_t keep(std::shared_ptr<Graph> graph);
  cudaGraphExec_t keep(std::unique_ptr<GraphExec> exec);
  void destroy(cudaGraph_t handle);
  void destroy(cudaGraphExec_t handle);
  void forget_work();  // cudaDeviceReset()

  void node_added(GraphNode& node) { nodes_.insert(&node); }
  void node_gone(GraphNode& node) { nodes_.erase(&node); }
  void graph_made(Graph& graph) { live_.insert(&graph); }
  void graph_gone(Graph& graph) { live_.erase(&graph); }

  static cudaGraph_t handle(const Graph& graph);
  static cudaGraphNode_t handle(const GraphNode& node);

 private:
  std::map<cudaGraph_t, std::shared_ptr<Graph>> graphs_;  // those that the program has to destroy
  std::map<cudaGraphExec_t, std::unique_ptr<GraphExec>> execs_;
  // Every one alive: also child graphs, executable copies and the graph of a capture in progress.
  std::set<Graph*> live_;
  std::set<const GraphNode*> nodes_;
};

Graphs& graphs();

// How an edge orders its two nodes. Throws ApiError cudaErrorInvalidValue where the data is
// malformed.
DependencyKind dependency_kind(const cudaGraphEdgeData& edge);
[[nodiscard]] bool is_default(const cudaGraphEdgeData& edge);
inline constexpr cudaGraphEdgeData kDefaultEdge{};

// Submits every node of `graph`, after `dependencies`, kernels to the devices that they were made for
// and the rest as work of the stream's device; the ticket returned completes with the last
// of them.
Ticket submit_graph(const Graph& graph, const std::vector<Dependency>& dependencies,
                    uint32_t number);

}  // namespace slipstream::emulator::runtime
