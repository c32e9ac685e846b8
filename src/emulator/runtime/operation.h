// What a program can put into a stream or a graph: one value type per kind of work, complete in
// itself (parameters and pageable sources are copied), so that the same value can run at once,
// become a graph node, or run at each graph launch.
#pragma once

#include <driver_types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <variant>
#include <vector>

namespace slipstream::emulator::runtime {

struct Event;
struct Function;
struct Condition;
struct Graph;
struct GraphAllocation;
struct LibraryCall;

using LaunchAttributes = std::map<cudaLaunchAttributeID, cudaLaunchAttributeValue>;

struct KernelOperation {
  Function* function = nullptr;
  uint32_t device = 0;
  dim3 grid;
  dim3 block;
  uint32_t dynamic_shared_bytes = 0;
  std::vector<uint8_t> parameters;  // the parameter block
  LaunchAttributes attributes;      // without those that concern events

  // Events that the launch fires: attribute 7 and attribute 12.
  std::shared_ptr<Event> programmatic_event;
  bool programmatic_at_block_start = false;
  std::shared_ptr<Event> launch_completion_event;

  [[nodiscard]] dim3 cluster() const;  // zeros: none asked for
  [[nodiscard]] bool cooperative() const;
  [[nodiscard]] bool programmatic_serialization() const;
  [[nodiscard]] uint64_t memory_domain() const;
};

// `depth` planes of `height` rows of `width` bytes.
struct CopyOperation {
  uint64_t destination = 0;
  uint64_t destination_pitch = 0;  // bytes from row to row
  uint64_t destination_plane = 0;  // bytes from plane to plane
  uint64_t source = 0;
  uint64_t source_pitch = 0;
  uint64_t source_plane = 0;
  uint64_t width = 0;
  uint64_t height = 1;
  uint64_t depth = 1;
  cudaMemcpyKind kind = cudaMemcpyDefault;
  // Set where the source is host memory that the program may reuse as soon as the call returns.
  std::shared_ptr<const std::vector<uint8_t>> staged;
};

// `depth` planes of `height` rows of `width` elements, all `value`.
struct FillOperation {
  uint64_t destination = 0;
  uint64_t pitch = 0;
  uint64_t plane = 0;
  uint32_t value = 0;
  uint32_t element_bytes = 1;
  uint64_t width = 0;  // elements
  uint64_t height = 1;
  uint64_t depth = 1;
};

struct HostOperation {
  cudaHostFn_t function = nullptr;
  void* user_data = nullptr;
};

struct EmptyOperation {};

struct EventRecordOperation {
  std::shared_ptr<Event> event;
};

struct EventWaitOperation {
  std::shared_ptr<Event> event;
};

struct ChildGraphOperation {
  std::shared_ptr<Graph> graph;
};

// Memory that a graph allocates: see graph_memory.h.
struct AllocateOperation {
  std::shared_ptr<GraphAllocation> allocation;
};
struct FreeOperation {
  uint64_t address = 0;
};

// Runs one of its bodies, or none, or one again and again: see conditional.h.
struct ConditionalOperation {
  std::shared_ptr<Condition> condition;
  cudaGraphConditionalNodeType type = cudaGraphCondTypeIf;
  std::vector<std::shared_ptr<Graph>> bodies;
  std::vector<cudaGraph_t> handles;  // of the bodies, as the program gets them
};

// What a library on top of the runtime does where it would launch kernels: see library_call.h.
struct LibraryOperation {
  std::shared_ptr<const LibraryCall> call;
  uint32_t device = 0;
};

// Order of alternatives: see node_type().
using Operation =
    std::variant<KernelOperation, CopyOperation, FillOperation, HostOperation, ChildGraphOperation,
                 EmptyOperation, EventWaitOperation, EventRecordOperation, AllocateOperation,
                 FreeOperation, ConditionalOperation, LibraryOperation>;

[[nodiscard]] cudaGraphNodeType node_type(const Operation& operation);

}  // namespace slipstream::emulator::runtime
