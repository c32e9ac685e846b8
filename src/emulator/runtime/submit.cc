#include "emulator/runtime/submit.h"

#include <optional>
#include <utility>

#include "emulator/runtime/capture.h"
#include "emulator/runtime/conditional.h"
#include "emulator/runtime/copy.h"
#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/graph.h"
#include "emulator/runtime/graph_memory.h"
#include "emulator/runtime/launch_record.h"
#include "emulator/runtime/library_call.h"
#include "emulator/runtime/registry.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

using Dependencies = std::vector<Dependency>;

Dim3 machine_dim(const dim3& size) { return {size.x, size.y, size.z}; }

}  // namespace

KernelLaunch machine_launch(const KernelOperation& operation, Dependencies dependencies) {
  FunctionOnDevice& function = operation.function->on(operation.device);
  KernelLaunch launch;
  launch.kernel = registry().kernel(*operation.function, operation.device);
  launch.grid = machine_dim(operation.grid);
  launch.block = machine_dim(operation.block);
  const dim3 cluster = operation.cluster();
  launch.cluster = machine_dim(cluster.x == 0 ? function.required_cluster : cluster);
  launch.dynamic_shared_bytes = operation.dynamic_shared_bytes;
  if (function.max_dynamic_shared_bytes >= 0) {
    launch.max_dynamic_shared_bytes = static_cast<uint32_t>(function.max_dynamic_shared_bytes);
  }
  launch.non_portable_cluster = function.non_portable_cluster;
  launch.cooperative = operation.cooperative();
  launch.memory_domain = operation.memory_domain();
  launch.parameters = operation.parameters;
  launch.dependencies = std::move(dependencies);
  return launch;
}

namespace {

// One overload for each alternative of Operation.

// Cooperative groups keep the barrier of a grid in memory that the launch provides.
Ticket submit_cooperative(KernelLaunch launch, uint32_t number) {
  constexpr uint64_t kWorkspaceBytes = 64;
  const uint64_t workspace =
      device().allocate(kWorkspaceBytes, MemoryKind::kModule, "grid barrier", number);
  require(workspace != 0, cudaErrorMemoryAllocation);
  device().fill(workspace, 0, 1, kWorkspaceBytes);
  launch.workspace = workspace;
  try {
    const Ticket ticket = device().submit(std::move(launch));
    device().submit([workspace] { device().free(workspace); }, {ticket}, number);
    return ticket;
  } catch (...) {
    device().free(workspace);
    throw;
  }
}

// A kernel runs on the device that it was made for.
Ticket submit(const KernelOperation& operation, Dependencies dependencies,
              uint32_t /*number*/ = 0) {
  KernelLaunch launch = machine_launch(operation, std::move(dependencies));
  std::optional<KernelLaunch> recorded;
  if (!settings().record_folder.empty()) recorded = launch;
  const Ticket ticket = launch.cooperative ? submit_cooperative(std::move(launch), operation.device)
                                           : device().submit(std::move(launch));
  if (recorded) record_launch(*recorded, ticket, operation.programmatic_serialization());
  return ticket;
}

Ticket submit(const CopyOperation& operation, const Dependencies& dependencies, uint32_t number) {
  return device().submit([operation] { run_copy(operation); }, tickets_of(dependencies), number);
}

Ticket submit(const FillOperation& operation, const Dependencies& dependencies, uint32_t number) {
  return device().submit([operation] { run_fill(operation); }, tickets_of(dependencies), number);
}

Ticket submit(const HostOperation& operation, const Dependencies& dependencies, uint32_t number) {
  return device().submit(
      [operation] {
        const InsideHostFunction scope;
        operation.function(operation.user_data);
      },
      tickets_of(dependencies), number);
}

Ticket submit(const ChildGraphOperation& operation, const Dependencies& dependencies,
              uint32_t number) {
  return submit_graph(*operation.graph, dependencies, number);
}

Ticket submit(const AllocateOperation& operation, const Dependencies& dependencies,
              uint32_t /*number*/) {
  return submit_allocation(operation.allocation, tickets_of(dependencies));
}

Ticket submit(const FreeOperation& operation, const Dependencies& dependencies,
              uint32_t /*number*/) {
  return submit_free(operation.address, tickets_of(dependencies));
}

Ticket submit(const ConditionalOperation& operation, const Dependencies& dependencies,
              uint32_t number) {
  return device().submit([operation] { run_conditional(operation); }, tickets_of(dependencies),
                         number);
}

Ticket submit(const LibraryOperation& operation, const Dependencies& dependencies,
              uint32_t number) {
  return device().submit([operation] { run_library_call(operation); }, tickets_of(dependencies),
                         number);
}

Ticket submit(const EmptyOperation& /*operation*/, const Dependencies& dependencies,
              uint32_t number) {
  return device().submit([] {}, tickets_of(dependencies), number);
}

Ticket submit(const EventWaitOperation& operation, Dependencies dependencies, uint32_t number) {
  const Event& event = *operation.event;
  if (event.ticket != 0) dependencies.push_back({event.ticket});
  return submit(EmptyOperation{}, dependencies, number);
}

Ticket submit(const EventRecordOperation& operation, const Dependencies& dependencies,
              uint32_t /*number*/) {
  return record_event(*operation.event, dependencies);
}

void fire(Event* event, Ticket kernel, DependencyKind kind) {
  if (event == nullptr) return;
  event->ticket = kernel;
  event->kind = kind;
  event->time = nullptr;
  event->capture = nullptr;
}

Ticket enqueue_kernel(Stream& stream, const KernelOperation& operation) {
  // The launch that may overlap is one right after another kernel of the same stream.
  const bool overlaps = operation.programmatic_serialization() && stream.last_kernel != 0;
  Dependencies dependencies = stream.tail;
  if (overlaps) dependencies = {{stream.last_kernel, DependencyKind::kProgrammatic}};
  const Ticket ticket = submit(operation, std::move(dependencies));
  if (overlaps) {
    streams().advance_overlapping(stream, ticket);
  } else {
    streams().advance(stream, ticket);
  }
  stream.last_kernel = ticket;
  fire(operation.programmatic_event.get(), ticket,
       operation.programmatic_at_block_start ? DependencyKind::kBlockStart
                                             : DependencyKind::kProgrammatic);
  fire(operation.launch_completion_event.get(), ticket, DependencyKind::kLaunchCompletion);
  submitted(ticket);
  return ticket;
}

// The stream's next operation waits for the event too; a programmatic event lets a kernel start
// early.
void enqueue_wait(Stream& stream, const Event& event) {
  if (event.ticket == 0) return;
  stream.tail.push_back({event.ticket, event.kind});
  stream.last_kernel = 0;
  streams().touch(stream);
}

// A kernel after a recorded event may overlap the kernel before it, unless the event takes the
// time. (What an H200 does; no document says.)
bool leaves_kernels_neighbors(const Operation& operation) {
  const auto* record = std::get_if<EventRecordOperation>(&operation);
  return record != nullptr && !record->event->has_timing();
}

}  // namespace

std::vector<Ticket> tickets_of(const std::vector<Dependency>& dependencies) {
  std::vector<Ticket> tickets;
  tickets.reserve(dependencies.size());
  for (const Dependency& dependency : dependencies) tickets.push_back(dependency.ticket);
  return tickets;
}

void check_kernel(const KernelOperation& operation) {
  device().check(machine_launch(operation, {}));
}

Ticket submit_operation(const Operation& operation, Dependencies dependencies, uint32_t number) {
  const Ticket ticket = std::visit(
      [&](const auto& alternative) { return submit(alternative, std::move(dependencies), number); },
      operation);
  submitted(ticket);
  return ticket;
}

Ticket enqueue(Stream& stream, Operation operation) {
  if (stream.capture != nullptr) {
    capture_operation(stream, std::move(operation));
    return 0;
  }
  forbid_implicit_dependency(stream);
  streams().join_default_stream(stream);
  if (const auto* kernel = std::get_if<KernelOperation>(&operation)) {
    return enqueue_kernel(stream, *kernel);
  }
  if (const auto* wait = std::get_if<EventWaitOperation>(&operation)) {
    enqueue_wait(stream, *wait->event);
    return 0;
  }
  const Ticket ticket = submit_operation(operation, stream.tail, stream.device);
  if (leaves_kernels_neighbors(operation)) {
    streams().advance_overlapping(stream, ticket);
  } else {
    streams().advance(stream, ticket);
  }
  return ticket;
}

}  // namespace slipstream::emulator::runtime
