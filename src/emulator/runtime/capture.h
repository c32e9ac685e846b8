// Stream capture: operations become nodes of a graph instead of running.
#pragma once

#include <driver_types.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "emulator/runtime/event.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/stream.h"

namespace slipstream::emulator::runtime {

struct Capture {
  std::shared_ptr<Graph> graph;
  bool into_existing_graph = false;  // cudaStreamBeginCaptureToGraph: the program holds the graph
  const Stream* origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  uint64_t id = 0;
  bool invalidated = false;
  bool ended = false;
  std::vector<Stream*> streams;         // captured ones, the origin first
  std::vector<const GraphNode*> nodes;  // that this capture added
};

void begin_capture(Stream& stream, std::shared_ptr<Graph> graph, bool into_existing_graph,
                   std::vector<NodeDependency> dependencies, cudaStreamCaptureMode mode);
// Ends the capture that began on `stream`, also where it fails. Throws ApiError.
std::shared_ptr<Graph> end_capture(Stream& stream);
// The stream goes away or the device is reset.
void abandon_capture(Stream& stream);
void abandon_all_captures();

// Adds `operation` to the graph that `stream` is captured into.
void capture_operation(Stream& stream, Operation operation);
void capture_event_record(Stream& stream, Event& event);
// A stream that is not captured joins the capture of the event.
void capture_event_wait(Stream& stream, Event& event);

// Calls that would wait for captured work, or change the device under it, are not permitted while a
// capture could see them: throws ApiError cudaErrorStreamCaptureUnsupported and spoils the capture.
void forbid_while_capturing();
// The same for work in the legacy default stream, which would order itself with captured streams.
void forbid_implicit_dependency(const Stream& stream);
// The same for waiting for or asking about one stream that is captured.
void forbid_if_captured(Stream& stream);

cudaStreamCaptureMode exchange_thread_capture_mode(cudaStreamCaptureMode mode);

}  // namespace slipstream::emulator::runtime
