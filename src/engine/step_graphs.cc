#include "engine/step_graphs.h"

#include <algorithm>
#include <vector>

#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

// Copies between them do not count.
size_t count_kernels(cudaGraph_t graph) {
  size_t count = 0;
  check_cuda(cudaGraphGetNodes(graph, nullptr, &count), "cudaGraphGetNodes");
  std::vector<cudaGraphNode_t> nodes(count);
  check_cuda(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
  return std::count_if(nodes.begin(), nodes.end(), [](cudaGraphNode_t node) {
    cudaGraphNodeType type{};
    check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
    return type == cudaGraphNodeTypeKernel;
  });
}

size_t count_programmatic_edges(cudaGraph_t graph) {
  size_t count = 0;
  check_cuda(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count), "cudaGraphGetEdges");
  std::vector<cudaGraphNode_t> from(count);
  std::vector<cudaGraphNode_t> to(count);
  std::vector<cudaGraphEdgeData> edges(count);
  check_cuda(cudaGraphGetEdges(graph, from.data(), to.data(), edges.data(), &count),
             "cudaGraphGetEdges");
  return std::count_if(edges.begin(), edges.end(), [](const cudaGraphEdgeData& edge) {
    return edge.type == cudaGraphDependencyTypeProgrammatic;
  });
}

}  // namespace

StepGraphs::~StepGraphs() {
  for (cudaGraphExec_t graph : graphs_) {
    if (graph != nullptr) (void)cudaGraphExecDestroy(graph);
  }
}

void StepGraphs::prepare(int tokens, cudaStream_t stream, const std::function<void()>& enqueue) {
  if (graphs_[tokens] == nullptr) capture(tokens, stream, enqueue);
}

void StepGraphs::launch(int tokens, cudaStream_t stream, const std::function<void()>& enqueue) {
  prepare(tokens, stream, enqueue);
  check_cuda(cudaGraphLaunch(graphs_[tokens], stream), "cudaGraphLaunch");
}

void StepGraphs::capture(int tokens, cudaStream_t stream, const std::function<void()>& enqueue) {
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
  cudaGraph_t graph = nullptr;
  try {
    enqueue();
  } catch (...) {
    (void)cudaStreamEndCapture(stream, &graph);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
    throw;
  }
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  nodes_[tokens] = count_kernels(graph);
  edges_[tokens] = count_programmatic_edges(graph);
  const cudaError_t code = cudaGraphInstantiate(&graphs_[tokens], graph, 0);
  (void)cudaGraphDestroy(graph);
  check_cuda(code, "cudaGraphInstantiate");
}

}  // namespace slipstream::engine
