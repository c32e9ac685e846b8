// Streams: which earlier work the next operation has to wait for.
#pragma once

#include <driver_types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "emulator/device/device.h"

namespace slipstream::emulator::runtime {

struct Capture;
struct GraphNode;

// An edge of a graph, seen from the node it leads to; also what the next operation captured from a
// stream depends on.
struct NodeDependency {
  GraphNode* node = nullptr;
  cudaGraphEdgeData edge{};
};

struct Stream {
  unsigned int flags = cudaStreamDefault;
  int priority = 0;
  uint64_t id = 0;
  uint32_t device = 0;
  bool is_legacy_default = false;
  std::map<cudaLaunchAttributeID, cudaLaunchAttributeValue> attributes;

  // The next operation waits for all of this work, unless it is a kernel launched with programmatic
  // stream serialization right after `last_kernel`.
  std::vector<Dependency> tail;
  Ticket last_kernel = 0;  // 0: the last operation was none
  uint64_t sequence = 0;   // of the last operation, over all streams

  std::shared_ptr<Capture> capture;  // set while the stream is captured
  std::vector<NodeDependency> captured_tail;

  [[nodiscard]] bool blocks_with_default() const {
    return !is_legacy_default && (flags & cudaStreamNonBlocking) == 0;
  }
};

// While one lives, a null handle means the thread's default stream in this thread.
class NullStreamIsPerThread {
 public:
  NullStreamIsPerThread();
  ~NullStreamIsPerThread();
  NullStreamIsPerThread(const NullStreamIsPerThread&) = delete;
  NullStreamIsPerThread& operator=(const NullStreamIsPerThread&) = delete;

 private:
  bool before_;
};

class Streams {
 public:
  // Of the current device.
  Stream& create(unsigned int flags, int priority);
  void destroy(Stream& stream);
  // The stream that `handle` means in this thread. Throws ApiError cudaErrorInvalidResourceHandle
  // for an unknown one.
  Stream& resolve(cudaStream_t handle);
  [[nodiscard]] cudaStream_t handle(const Stream& stream) const;

  // Everything that an operation put into `stream` now waits for, completed work left out.
  // Operations of the legacy default stream and of streams that block with it wait for each other;
  // where that adds a dependency, or another stream's event did, `last_kernel` is forgotten: the
  // operation before is no longer just that kernel.
  void join_default_stream(Stream& stream);
  // Makes `ticket` the last operation of the stream.
  void advance(Stream& stream, Ticket ticket);
  // The same for work that may overlap its predecessor: both are waited for.
  void advance_overlapping(Stream& stream, Ticket ticket);
  // Notes that the stream's order changed without a new operation (it waits for an event).
  void touch(Stream& stream) { stream.sequence = next_sequence_++; }

  // Waits for the stream, as a host call does.
  void synchronize(Stream& stream);
  // Whether the stream's work is complete; runs what can run.
  bool is_complete(Stream& stream);
  void forget_work(uint32_t device);  // cudaDeviceReset()

 private:
  Stream& legacy_default(uint32_t device);
  Stream& per_thread_default();
  void drop_completed(Stream& stream);

  std::map<cudaStream_t, std::unique_ptr<Stream>> created_;
  using ThreadAndDevice = std::pair<uint64_t, uint32_t>;
  std::map<ThreadAndDevice, std::unique_ptr<Stream>> per_thread_;  // by thread number
  std::map<uint32_t, Stream> legacy_;                              // by device
  uint64_t next_id_ = 1;
  uint64_t next_sequence_ = 1;
};

Streams& streams();

}  // namespace slipstream::emulator::runtime
