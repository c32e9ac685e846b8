// Stream capture.
#include <cuda_runtime_api.h>

#include <memory>
#include <utility>
#include <vector>

#include "emulator/runtime/capture.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/graph_arguments.h"
#include "emulator/runtime/stream.h"

using namespace slipstream::emulator::runtime;

namespace {

bool known_mode(cudaStreamCaptureMode mode) {
  return mode == cudaStreamCaptureModeGlobal || mode == cudaStreamCaptureModeThreadLocal ||
         mode == cudaStreamCaptureModeRelaxed;
}

cudaStreamCaptureStatus status_of(const Stream& stream) {
  if (stream.capture == nullptr) return cudaStreamCaptureStatusNone;
  return stream.capture->invalidated ? cudaStreamCaptureStatusInvalidated
                                     : cudaStreamCaptureStatusActive;
}

// Arrays that cudaStreamGetCaptureInfo lends until the thread's next call of it.
struct LentDependencies {
  std::vector<cudaGraphNode_t> nodes;
  std::vector<cudaGraphEdgeData> edges;
};

const LentDependencies& lend(const std::vector<NodeDependency>& dependencies) {
  thread_local LentDependencies lent;
  lent = {};
  for (const NodeDependency& dependency : dependencies) {
    lent.nodes.push_back(Graphs::handle(*dependency.node));
    lent.edges.push_back(dependency.edge);
  }
  return lent;
}

void give_dependencies(const Stream& stream, const cudaGraphNode_t** nodes,
                       const cudaGraphEdgeData** edges, size_t* count) {
  const LentDependencies& lent = lend(stream.captured_tail);
  if (edges == nullptr && nodes != nullptr) {
    for (const cudaGraphEdgeData& edge : lent.edges) require(is_default(edge), cudaErrorLossyQuery);
  }
  if (nodes != nullptr) *nodes = lent.nodes.data();
  if (edges != nullptr) *edges = lent.edges.data();
  if (count != nullptr) *count = lent.nodes.size();
}

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return api("cudaStreamBeginCapture", [&] {
    require(known_mode(mode));
    begin_capture(streams().resolve(stream), std::make_shared<Graph>(), false, {}, mode);
  });
}

cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t stream, cudaGraph_t graph,
                                          const cudaGraphNode_t* dependencies,
                                          const cudaGraphEdgeData* edges, size_t count,
                                          cudaStreamCaptureMode mode) {
  return api("cudaStreamBeginCaptureToGraph", [&] {
    require(known_mode(mode));
    begin_capture(streams().resolve(stream), graphs().resolve(graph), true,
                  read_dependencies(dependencies, edges, count), mode);
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return api("cudaStreamEndCapture", [&] {
    if (graph != nullptr) *graph = nullptr;
    Stream& target = streams().resolve(stream);
    require(target.capture != nullptr, cudaErrorIllegalState);
    const bool existing = target.capture->into_existing_graph;
    require(graph != nullptr || existing);
    const std::shared_ptr<Graph> captured = end_capture(target);
    if (graph != nullptr) *graph = existing ? Graphs::handle(*captured) : graphs().keep(captured);
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return api("cudaStreamIsCapturing", [&] {
    require(status != nullptr);
    Stream& target = streams().resolve(stream);
    forbid_implicit_dependency(target);
    *status = status_of(target);
  });
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
  return api("cudaStreamGetCaptureInfo", [&] {
    require(status != nullptr);
    Stream& target = streams().resolve(stream);
    forbid_implicit_dependency(target);
    *status = status_of(target);
    if (*status != cudaStreamCaptureStatusActive) return;
    if (id != nullptr) *id = target.capture->id;
    if (graph != nullptr) *graph = Graphs::handle(*target.capture->graph);
    give_dependencies(target, dependencies, edges, count);
  });
}

cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t stream, cudaGraphNode_t* nodes,
                                                const cudaGraphEdgeData* edges, size_t count,
                                                unsigned int flags) {
  return api("cudaStreamUpdateCaptureDependencies", [&] {
    Stream& target = streams().resolve(stream);
    require(target.capture != nullptr, cudaErrorIllegalState);
    std::vector<NodeDependency> given = read_dependencies(nodes, edges, count);
    if (flags == cudaStreamSetCaptureDependencies) {
      target.captured_tail = std::move(given);
      return;
    }
    require(flags == cudaStreamAddCaptureDependencies);
    target.captured_tail.insert(target.captured_tail.end(), given.begin(), given.end());
  });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return api_always("cudaThreadExchangeStreamCaptureMode", [&] {
    require(mode != nullptr && known_mode(*mode));
    *mode = exchange_thread_capture_mode(*mode);
  });
}

}  // extern "C"
