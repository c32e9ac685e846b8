#include "emulator/runtime/capture.h"

#include <algorithm>
#include <set>
#include <utility>

#include "emulator/runtime/error.h"
#include "emulator/runtime/submit.h"

namespace slipstream::emulator::runtime {
namespace {

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

// Captures in progress, guarded by api_lock().
std::vector<std::shared_ptr<Capture>>& active_captures() {
  static auto* all = new std::vector<std::shared_ptr<Capture>>;
  return *all;
}

Capture& usable(Stream& stream) {
  require(!stream.capture->invalidated, cudaErrorStreamCaptureInvalidated);
  return *stream.capture;
}

void release(const std::shared_ptr<Capture>& capture) {
  capture->ended = true;
  for (Stream* stream : capture->streams) {
    stream->capture = nullptr;
    stream->captured_tail.clear();
  }
  std::erase(active_captures(), capture);
}

// A programmatic launch gets programmatic edges from all kernels that directly precede it, also
// where branches join; from anything else the order is full. (What an H200's driver does.)
void make_programmatic(std::vector<NodeDependency>& dependencies) {
  for (NodeDependency& dependency : dependencies) {
    const bool behind_kernel = std::holds_alternative<KernelOperation>(dependency.node->operation);
    if (!behind_kernel || !is_default(dependency.edge)) continue;
    dependency.edge.from_port = cudaGraphKernelNodePortProgrammatic;
    dependency.edge.type = cudaGraphDependencyTypeProgrammatic;
  }
}

// Only kernels can start before the node that they depend on is complete.
void make_full(std::vector<NodeDependency>& dependencies) {
  for (NodeDependency& dependency : dependencies) dependency.edge = kDefaultEdge;
}

void capture_event(Stream& stream, const std::shared_ptr<Event>& event, GraphNode& kernel,
                   unsigned char port, cudaGraphDependencyType type) {
  if (event == nullptr) return;
  NodeDependency dependency{&kernel, kDefaultEdge};
  dependency.edge.from_port = port;
  dependency.edge.type = static_cast<unsigned char>(type);
  event->capture = stream.capture;
  event->captured = {dependency};
}

// Nodes that the last node of the origin stream depends on.
std::set<const GraphNode*> joined_nodes(const std::vector<NodeDependency>& tail) {
  std::set<const GraphNode*> seen;
  std::vector<const GraphNode*> open;
  open.reserve(tail.size());
  for (const NodeDependency& dependency : tail) open.push_back(dependency.node);
  while (!open.empty()) {
    const GraphNode* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    for (const NodeDependency& dependency : node->dependencies) open.push_back(dependency.node);
  }
  return seen;
}

}  // namespace

void begin_capture(Stream& stream, std::shared_ptr<Graph> graph, bool into_existing_graph,
                   std::vector<NodeDependency> dependencies, cudaStreamCaptureMode mode) {
  static uint64_t next_id = 1;
  require(!stream.is_legacy_default, cudaErrorStreamCaptureUnsupported);
  require(stream.capture == nullptr, cudaErrorIllegalState);
  auto capture = std::make_shared<Capture>();
  capture->graph = std::move(graph);
  capture->into_existing_graph = into_existing_graph;
  capture->origin = &stream;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->id = next_id++;
  capture->streams = {&stream};
  active_captures().push_back(capture);
  stream.captured_tail = std::move(dependencies);
  stream.capture = std::move(capture);
}

std::shared_ptr<Graph> end_capture(Stream& stream) {
  require(stream.capture != nullptr, cudaErrorIllegalState);
  const std::shared_ptr<Capture> capture = stream.capture;
  require(capture->origin == &stream, cudaErrorStreamCaptureUnmatched);
  const bool any_thread = capture->mode == cudaStreamCaptureModeRelaxed;
  require(any_thread || capture->thread == std::this_thread::get_id(),
          cudaErrorStreamCaptureWrongThread);
  const std::set<const GraphNode*> joined = joined_nodes(stream.captured_tail);
  release(capture);
  require(!capture->invalidated, cudaErrorStreamCaptureInvalidated);
  const bool all_joined =
      std::ranges::all_of(capture->nodes, [&](const auto* node) { return joined.contains(node); });
  require(all_joined, cudaErrorStreamCaptureUnjoined);
  return capture->graph;
}

void abandon_capture(Stream& stream) {
  if (stream.capture == nullptr) return;
  const std::shared_ptr<Capture> capture = stream.capture;
  if (capture->origin == &stream) {
    capture->invalidated = true;
    release(capture);
  } else {
    // What it captured must have been joined by then: the end of the capture sees to that.
    std::erase(capture->streams, &stream);
  }
}

void abandon_all_captures() {
  while (!active_captures().empty()) release(std::shared_ptr<Capture>(active_captures().back()));
}

void capture_operation(Stream& stream, Operation operation) {
  Capture& capture = usable(stream);
  std::vector<NodeDependency> dependencies = stream.captured_tail;
  const auto* kernel = std::get_if<KernelOperation>(&operation);
  if (kernel == nullptr) make_full(dependencies);
  if (kernel != nullptr) check_kernel(*kernel);
  if (kernel != nullptr && kernel->programmatic_serialization()) make_programmatic(dependencies);
  GraphNode& node = capture.graph->add(std::move(operation), dependencies);
  capture.nodes.push_back(&node);
  stream.captured_tail = {{&node, kDefaultEdge}};
  if (auto* added = std::get_if<KernelOperation>(&node.operation)) {
    capture_event(stream, added->programmatic_event, node,
                  added->programmatic_at_block_start ? cudaGraphKernelNodePortLaunchCompletion
                                                     : cudaGraphKernelNodePortProgrammatic,
                  cudaGraphDependencyTypeProgrammatic);
    capture_event(stream, added->launch_completion_event, node,
                  cudaGraphKernelNodePortLaunchCompletion, cudaGraphDependencyTypeDefault);
    added->programmatic_event = nullptr;
    added->launch_completion_event = nullptr;
  }
}

void capture_event_record(Stream& stream, Event& event) {
  static_cast<void>(usable(stream));
  event.capture = stream.capture;
  event.captured = stream.captured_tail;
}

void capture_event_wait(Stream& stream, Event& event) {
  const std::shared_ptr<Capture> capture = event.capture;
  require(!capture->ended, cudaErrorCapturedEvent);
  require(!capture->invalidated, cudaErrorStreamCaptureInvalidated);
  require(!stream.is_legacy_default, cudaErrorStreamCaptureImplicit);
  if (stream.capture == nullptr) {
    stream.capture = capture;
    capture->streams.push_back(&stream);
  }
  if (stream.capture != capture) {
    stream.capture->invalidated = true;
    capture->invalidated = true;
    throw ApiError(cudaErrorStreamCaptureMerge);
  }
  for (const NodeDependency& dependency : event.captured) {
    const bool known = std::ranges::any_of(stream.captured_tail, [&](const NodeDependency& other) {
      return other.node == dependency.node;
    });
    if (!known) stream.captured_tail.push_back(dependency);
  }
}

void forbid_while_capturing() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return;
  bool seen = false;
  for (const std::shared_ptr<Capture>& capture : active_captures()) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool own = capture->thread == std::this_thread::get_id();
    const bool everywhere =
        thread_mode == cudaStreamCaptureModeGlobal && capture->mode == cudaStreamCaptureModeGlobal;
    if (!own && !everywhere) continue;
    capture->invalidated = true;
    seen = true;
  }
  require(!seen, cudaErrorStreamCaptureUnsupported);
}

void forbid_implicit_dependency(const Stream& stream) {
  if (!stream.is_legacy_default) return;
  for (const std::shared_ptr<Capture>& capture : active_captures()) {
    const bool blocks = std::ranges::any_of(capture->streams, [&](const Stream* captured) {
      return captured->device == stream.device && captured->blocks_with_default();
    });
    if (!blocks) continue;
    capture->invalidated = true;
    throw ApiError(cudaErrorStreamCaptureImplicit);
  }
}

void forbid_if_captured(Stream& stream) {
  if (stream.capture == nullptr) return;
  stream.capture->invalidated = true;
  throw ApiError(cudaErrorStreamCaptureUnsupported);
}

cudaStreamCaptureMode exchange_thread_capture_mode(cudaStreamCaptureMode mode) {
  return std::exchange(thread_mode, mode);
}

}  // namespace slipstream::emulator::runtime
