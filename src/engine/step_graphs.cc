#include "engine/step_graphs.h"

#include <algorithm>
#include <vector>

#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

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
  for (const auto& [key, graph] : graphs_) {
    if (graph.executable != nullptr) (void)cudaGraphExecDestroy(graph.executable);
  }
}

void StepGraphs::prepare(const step::StepShape& shape, cudaStream_t stream,
                         const std::function<void()>& enqueue) {
  if (graphs_[key_of(shape)].executable == nullptr) capture(shape, stream, enqueue);
}

void StepGraphs::launch(const step::StepShape& shape, cudaStream_t stream,
                        const std::function<void()>& enqueue) {
  prepare(shape, stream, enqueue);
  check_cuda(cudaGraphLaunch(graphs_[key_of(shape)].executable, stream), "cudaGraphLaunch");
}

size_t StepGraphs::nodes(const step::StepShape& shape) const {
  const auto found = graphs_.find(key_of(shape));
  return found == graphs_.end() ? 0 : found->second.nodes;
}

size_t StepGraphs::programmatic_edges(const step::StepShape& shape) const {
  const auto found = graphs_.find(key_of(shape));
  return found == graphs_.end() ? 0 : found->second.programmatic_edges;
}

void StepGraphs::capture(const step::StepShape& shape, cudaStream_t stream,
                         const std::function<void()>& enqueue) {
  Graph& made = graphs_[key_of(shape)];
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
  check_cuda(cudaGraphGetNodes(graph, nullptr, &made.nodes), "cudaGraphGetNodes");
  made.programmatic_edges = count_programmatic_edges(graph);
  const cudaError_t code = cudaGraphInstantiate(&made.executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  check_cuda(code, "cudaGraphInstantiate");
}

}  // namespace slipstream::engine
