#include "engine/step_graphs.h"

#include "slipstream/error.h"

namespace slipstream::engine {

StepGraphs::~StepGraphs() {
  for (cudaGraphExec_t graph : graphs_) {
    if (graph != nullptr) (void)cudaGraphExecDestroy(graph);
  }
}

void StepGraphs::launch(int tokens, cudaStream_t stream, const std::function<void()>& enqueue) {
  if (graphs_[tokens] == nullptr) capture(tokens, stream, enqueue);
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
  check_cuda(cudaGraphGetNodes(graph, nullptr, &nodes_[tokens]), "cudaGraphGetNodes");
  const cudaError_t code = cudaGraphInstantiate(&graphs_[tokens], graph, 0);
  (void)cudaGraphDestroy(graph);
  check_cuda(code, "cudaGraphInstantiate");
}

}  // namespace slipstream::engine
