// Graphs: structure and queries.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "emulator/runtime/error.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/graph_arguments.h"
#include "emulator/runtime/registry.h"

using namespace slipstream::emulator::runtime;

namespace {

// Fills `nodes` with up to *count handles, as all node queries do.
void write_nodes(const std::vector<const GraphNode*>& found, cudaGraphNode_t* nodes,
                 size_t* count) {
  std::vector<NodeDependency> plain;
  plain.reserve(found.size());
  for (const GraphNode* node : found) plain.push_back({const_cast<GraphNode*>(node), kDefaultEdge});
  write_dependencies(plain, nodes, nullptr, count);
}

std::vector<NodeDependency> dependents_of(const GraphNode& node) {
  std::vector<NodeDependency> dependents;
  for (const auto& other : node.graph->nodes) {
    for (const NodeDependency& dependency : other->dependencies) {
      if (dependency.node == &node) dependents.push_back({other.get(), dependency.edge});
    }
  }
  return dependents;
}

std::string dot_line(const GraphNode& node) {
  std::string label = fmt::format("type {}", static_cast<int>(node_type(node.operation)));
  if (const auto* kernel = std::get_if<KernelOperation>(&node.operation)) {
    label = kernel->function->name;
  }
  return fmt::format("  \"{}\" [label=\"{}\"];\n", static_cast<const void*>(&node), label);
}

std::string dot_edge(const GraphNode& node, const NodeDependency& dependency) {
  return fmt::format("  \"{}\" -> \"{}\"{};\n", static_cast<const void*>(dependency.node),
                     static_cast<const void*>(&node),
                     is_default(dependency.edge) ? "" : " [style=dashed]");
}

}  // namespace

extern "C" {

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned int flags) {
  return api("cudaGraphCreate", [&] {
    require(graph != nullptr && flags == 0);
    *graph = graphs().keep(std::make_shared<Graph>());
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return api_always("cudaGraphDestroy", [&] { graphs().destroy(graph); });
}

cudaError_t cudaGraphClone(cudaGraph_t* clone, cudaGraph_t original) {
  return api("cudaGraphClone", [&] {
    require(clone != nullptr);
    *clone = graphs().keep(graphs().resolve(original)->clone());
  });
}

cudaError_t cudaGraphNodeFindInClone(cudaGraphNode_t* found, cudaGraphNode_t original,
                                     cudaGraph_t clone) {
  return api("cudaGraphNodeFindInClone", [&] {
    require(found != nullptr);
    const GraphNode* wanted = &graphs().resolve(original);
    for (const auto& node : graphs().resolve(clone)->nodes) {
      if (node->original != wanted) continue;
      *found = Graphs::handle(*node);
      return;
    }
    throw ApiError(cudaErrorInvalidValue);
  });
}

cudaError_t cudaGraphDestroyNode(cudaGraphNode_t node) {
  return api("cudaGraphDestroyNode", [&] {
    GraphNode& target = graphs().resolve(node);
    target.graph->remove(target);
  });
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  return api("cudaGraphNodeGetType", [&] {
    require(type != nullptr);
    *type = node_type(graphs().resolve(node).operation);
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return api("cudaGraphGetNodes", [&] {
    std::vector<const GraphNode*> all;
    for (const auto& node : graphs().resolve(graph)->nodes) all.push_back(node.get());
    write_nodes(all, nodes, count);
  });
}

cudaError_t cudaGraphGetRootNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return api("cudaGraphGetRootNodes", [&] {
    std::vector<const GraphNode*> roots;
    for (const auto& node : graphs().resolve(graph)->nodes) {
      if (node->dependencies.empty()) roots.push_back(node.get());
    }
    write_nodes(roots, nodes, count);
  });
}

cudaError_t cudaGraphGetEdges(cudaGraph_t graph, cudaGraphNode_t* from, cudaGraphNode_t* to,
                              cudaGraphEdgeData* edges, size_t* count) {
  return api("cudaGraphGetEdges", [&] {
    require(count != nullptr && (from == nullptr) == (to == nullptr));
    std::vector<NodeDependency> sources;
    std::vector<const GraphNode*> targets;
    for (const auto& node : graphs().resolve(graph)->nodes) {
      for (const NodeDependency& dependency : node->dependencies) {
        sources.push_back(dependency);
        targets.push_back(node.get());
      }
    }
    size_t room = *count;
    write_dependencies(sources, from, edges, count);
    if (to != nullptr) write_nodes(targets, to, &room);
  });
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t node, cudaGraphNode_t* nodes,
                                         cudaGraphEdgeData* edges, size_t* count) {
  return api("cudaGraphNodeGetDependencies",
             [&] { write_dependencies(graphs().resolve(node).dependencies, nodes, edges, count); });
}

cudaError_t cudaGraphNodeGetDependentNodes(cudaGraphNode_t node, cudaGraphNode_t* nodes,
                                           cudaGraphEdgeData* edges, size_t* count) {
  return api("cudaGraphNodeGetDependentNodes", [&] {
    write_dependencies(dependents_of(graphs().resolve(node)), nodes, edges, count);
  });
}

cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                     const cudaGraphNode_t* to, const cudaGraphEdgeData* edges,
                                     size_t count) {
  return api("cudaGraphAddDependencies", [&] {
    require(count == 0 || to != nullptr);
    Graph& target = *graphs().resolve(graph);
    const std::vector<NodeDependency> sources = read_dependencies(from, edges, count);
    for (size_t i = 0; i < count; ++i) target.add_edge(graphs().resolve(to[i]), sources[i]);
  });
}

cudaError_t cudaGraphRemoveDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                        const cudaGraphNode_t* to, const cudaGraphEdgeData* edges,
                                        size_t count) {
  return api("cudaGraphRemoveDependencies", [&] {
    require(count == 0 || to != nullptr);
    static_cast<void>(graphs().resolve(graph));
    const std::vector<NodeDependency> sources = read_dependencies(from, edges, count);
    for (size_t i = 0; i < count; ++i) {
      const auto removed =
          std::erase_if(graphs().resolve(to[i]).dependencies, [&](const NodeDependency& known) {
            if (edges == nullptr) require(is_default(known.edge), cudaErrorLossyQuery);
            return known.node == sources[i].node;
          });
      require(removed == 1);
    }
  });
}

cudaError_t cudaGraphDebugDotPrint(cudaGraph_t graph, const char* path, unsigned int /*flags*/) {
  return api("cudaGraphDebugDotPrint", [&] {
    require(path != nullptr);
    std::string text = "digraph graph_of_nodes {\n";
    for (const auto& node : graphs().resolve(graph)->nodes) {
      text += dot_line(*node);
      for (const NodeDependency& dependency : node->dependencies)
        text += dot_edge(*node, dependency);
    }
    text += "}\n";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "w"), &std::fclose);
    require(file != nullptr, cudaErrorOperatingSystem);
    std::fputs(text.c_str(), file.get());
  });
}

}  // extern "C"
