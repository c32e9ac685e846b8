// The host's side of a litmus test: kernels and what stands between them, put on streams or into a
// graph.
//
// This is the one place that starts kernels without slipstream::pdl::launch(): an experiment sets
// the attribute where launch() would refuse to.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <optional>
#include <variant>
#include <vector>

#include "litmus/script.h"

namespace slipstream::litmus {

struct Kernel {
  Script script{};
  bool dependent = false;  // launched with the PDL attribute
  unsigned blocks = 0;     // 0: as many as the rig says
  unsigned cluster = 1;
  size_t shared_bytes = 0;
  bool cooperative = false;
  bool remote_domain = false;  // in the second memory synchronization domain
  int stream = 0;
  std::optional<int> programmatic_event = std::nullopt;  // number of an event that the launch fires
  bool at_block_start = false;
  std::optional<int> launch_completion_event = std::nullopt;
  // Launches this kernel instead of the script's, with the parameters that hoist_kernels.h names.
  const void* function = nullptr;
};

// Launched with the PDL attribute.
inline Kernel dependent(const Script& script) { return {.script = script, .dependent = true}; }
inline Kernel normal(const Script& script) { return {.script = script}; }

// Work between kernels, on memory that no kernel touches.
struct Memset {};
struct Copy {};
struct HostCall {};
struct RecordEvent {
  int event = 0;
  int stream = 0;
};
struct AwaitEvent {
  int event = 0;
  int stream = 0;
};
// What follows is in a second graph, launched right after the first. No effect in a stream.
struct NextGraph {};

using Link = std::variant<Kernel, Memset, Copy, HostCall, RecordEvent, AwaitEvent, NextGraph>;
using Chain = std::vector<Link>;

inline constexpr int kStreams = 2;
inline constexpr int kEvents = 4;
inline constexpr int kTimingEvent = 3;  // the others are created with cudaEventDisableTiming

// What a chain is put on.
struct Resources {
  cudaStream_t streams[kStreams] = {};
  cudaEvent_t events[kEvents] = {};
  unsigned* data = nullptr;
  unsigned data_blocks = 0;    // blocks of kThreadsPerBlock threads that `data` has words for
  void* scratch = nullptr;     // a page for Memset and Copy
  Control* control = nullptr;  // on the device
  Slot* slots = nullptr;       // kSlots, on the device
  unsigned blocks = 0;
};

// Puts one link on its stream. Throws CudaError where the runtime refuses it.
void enqueue(const Link& link, const Resources& resources);

}  // namespace slipstream::litmus
