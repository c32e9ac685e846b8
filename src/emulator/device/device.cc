#include "emulator/device/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <unordered_map>

#include "emulator/device/launch_check.h"
#include "emulator/device/loaded_module.h"
#include "emulator/machine/device_heap.h"
#include "emulator/machine/global_memory.h"
#include "emulator/machine/interleaved_runner.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/parallel_runner.h"
#include "emulator/machine/race_check.h"
#include "emulator/machine/work.h"

namespace slipstream::emulator {
namespace {

// The fault of a grid that a host operation runs.
class FaultError : public std::runtime_error {
 public:
  explicit FaultError(Fault fault) : std::runtime_error(fault.message), fault(std::move(fault)) {}

  Fault fault;
};

}  // namespace

std::optional<Fault> run_host_operation(Ticket ticket, const std::function<void()>& operation,
                                        DeviceContext& device) {
  try {
    if (device.races != nullptr) device.races->begin_host_operation(ticket);
    operation();
    if (device.races != nullptr) device.races->end_host_operation();
    return std::nullopt;
  } catch (const FaultError& error) {
    return error.fault;
  } catch (const std::exception& error) {
    Fault fault;
    fault.kind = FaultKind::kHostFunction;
    fault.message = error.what();
    return fault;
  }
}

class Machine {
 public:
  explicit Machine(Settings given)
      : settings(std::move(given)),
        memory(settings.memory_bytes),
        heap(memory, settings.heap_bytes),
        parallel(context),
        interleaved(context) {
    context.memory = &memory;
    context.heap = &heap;
    context.settings = &settings;
    start_race_check();
  }

  void start_race_check() {
    races = settings.check_races ? std::make_unique<RaceCheck>(memory, settings) : nullptr;
    context.races = races.get();
  }

  Ticket enqueue(WorkItem item) {
    ++last_ticket;
    if (item.grid != nullptr) item.grid->id = last_ticket;
    if (races != nullptr) races->submit(last_ticket, item.dependencies, item.grid.get());
    // Dependencies on complete work are fulfilled, and searching them would only cost time.
    std::erase_if(item.dependencies,
                  [&](const Dependency& dependency) { return !queue.contains(dependency.ticket); });
    queue.emplace(last_ticket, std::move(item));
    return last_ticket;
  }

  std::optional<Fault> run_until(Ticket ticket) {
    if (!fault) {
      fault = settings.schedule == Schedule::kSerial
                  ? run_serially(ticket)
                  : interleaved.run_until(queue, ticket, statistics);
    }
    return fault;
  }

  void forget_work() {
    interleaved.clear();
    queue.clear();
    fault.reset();
  }

  Settings settings;
  GlobalMemory memory;
  DeviceHeap heap;
  DeviceContext context;
  std::unique_ptr<RaceCheck> races;
  ParallelRunner parallel;
  InterleavedRunner interleaved;
  std::vector<std::unique_ptr<LoadedModule>> modules;
  WorkQueue queue;
  Ticket last_ticket = 0;
  std::optional<Fault> fault;
  Statistics statistics;

 private:
  // Tickets are a topological order, so running them one after another fulfills every dependency.
  std::optional<Fault> run_serially(Ticket ticket) {
    while (!queue.empty() && (ticket == 0 || queue.begin()->first <= ticket)) {
      const auto& [number, item] = *queue.begin();
      auto stopped = item.grid != nullptr ? parallel.run(*item.grid, statistics)
                                          : run_host_operation(number, item.operation, context);
      if (stopped) return stopped;
      if (races != nullptr) races->complete(number);
      queue.erase(queue.begin());
    }
    return std::nullopt;
  }
};

namespace {

// Device memory that a copy or fill touches must be inside one allocation; other addresses are host
// memory, which is not checked.
void check_range(const Machine& machine, uint64_t address, uint64_t size, const char* what) {
  const GlobalMemory& memory = machine.memory;
  if (machine.heap.contains(address)) {
    throw LaunchError(CudaError::kInvalidValue,
                      fmt::format("{} of {} bytes at {:#x}: the host cannot use {}", what, size,
                                  address, machine.heap.describe(address)));
  }
  const MemoryRange range = memory.range_of(address);
  const bool inside = range.size != 0 && range.size - (address - range.begin) >= size;
  if (!inside && (range.size != 0 || memory.is_freed(address))) {
    throw LaunchError(
        CudaError::kInvalidValue,
        fmt::format("{} of {} bytes at {:#x}: {}", what, size, address,
                    memory.describe(range.size == 0 ? address : range.begin + range.size)));
  }
}

}  // namespace

Device::Device(Settings settings) : machine_(std::make_unique<Machine>(std::move(settings))) {}
Device::~Device() = default;

uint64_t Device::allocate(uint64_t size, MemoryKind kind, std::string name) {
  return machine_->memory.allocate(size, kind, std::move(name));
}
bool Device::free(uint64_t address) {
  const Allocation* const allocation = machine_->memory.find(address);
  if (machine_->races != nullptr && allocation != nullptr && allocation->address == address) {
    machine_->races->memory_freed(address, allocation->size);
  }
  return machine_->memory.release(address);
}
void Device::renew(uint64_t address, uint64_t size, std::string name) {
  machine_->memory.renew(address, size, std::move(name));
}
bool Device::register_host(void* pointer, uint64_t size) {
  return machine_->memory.register_host(reinterpret_cast<uint64_t>(pointer), size);
}
bool Device::unregister_host(void* pointer) {
  return machine_->memory.unregister_host(reinterpret_cast<uint64_t>(pointer));
}
std::optional<Allocation> Device::find(uint64_t address) const {
  const Allocation* const allocation = machine_->memory.find(address);
  return allocation == nullptr ? std::nullopt : std::optional(*allocation);
}
void Device::mark_written(uint64_t address, uint64_t size) {
  machine_->memory.mark_written(address, size);
}
bool Device::set_heap_limit(uint64_t bytes) { return machine_->heap.set_limit(bytes); }
uint64_t Device::heap_limit() const { return machine_->heap.limit(); }
uint64_t Device::bytes_in_use() const { return machine_->memory.bytes_in_use(); }

void Device::copy(uint64_t destination, uint64_t source, uint64_t size) {
  check_range(*machine_, destination, size, "copy to");
  check_range(*machine_, source, size, "copy from");
  std::memmove(reinterpret_cast<void*>(destination), reinterpret_cast<const void*>(source), size);
  machine_->memory.copy_written(destination, source, size);
  if (machine_->races != nullptr) {
    machine_->races->host_reads(source, size);
    machine_->races->host_writes(destination, size, /*is_fill=*/false);
  }
}

void Device::fill(uint64_t destination, uint64_t element, uint32_t element_bytes, uint64_t count) {
  const uint64_t size = count * element_bytes;
  check_range(*machine_, destination, size, "fill");
  auto* const bytes = reinterpret_cast<std::byte*>(destination);
  if (element_bytes == 1) {
    std::memset(bytes, static_cast<int>(element & 0xffU), size);
  } else {
    for (uint64_t i = 0; i < count; ++i) {
      std::memcpy(bytes + i * element_bytes, &element, element_bytes);
    }
  }
  machine_->memory.mark_written(destination, size);
  if (machine_->races != nullptr) machine_->races->host_writes(destination, size, /*is_fill=*/true);
}

LoadedModule* Device::load_module(std::vector<std::shared_ptr<const ptx::Module>> modules) {
  auto loaded = std::make_unique<LoadedModule>(std::move(modules), machine_->memory);
  return machine_->modules.emplace_back(std::move(loaded)).get();
}
void Device::unload_module(LoadedModule* module) {
  std::erase_if(machine_->modules, [&](const auto& loaded) { return loaded.get() == module; });
}
const Kernel* Device::find_kernel(const LoadedModule* module, std::string_view name) const {
  return module->find_kernel(name);
}
std::optional<Symbol> Device::find_symbol(const LoadedModule* module, std::string_view name) const {
  return module->find_symbol(name);
}
KernelAttributes Device::attributes(const Kernel* kernel) const { return kernel->attributes(); }

std::vector<KernelParameter> Device::kernel_parameters(const Kernel* kernel) const {
  std::vector<KernelParameter> parameters;
  for (const ptx::Variable& parameter : kernel->function().parameters) {
    parameters.push_back(
        {static_cast<uint32_t>(parameter.offset), static_cast<uint32_t>(parameter.size)});
  }
  return parameters;
}

std::string Device::kernel_name(const Kernel* kernel) const {
  return std::string(kernel->function().name);
}
uint32_t Device::max_active_ctas_per_sm(const Kernel* kernel, uint32_t threads_per_cta,
                                        uint32_t dynamic_shared_bytes) const {
  return emulator::max_active_ctas_per_sm(*kernel, threads_per_cta, dynamic_shared_bytes);
}

Ticket Device::submit(KernelLaunch launch) {
  WorkItem item;
  item.dependencies = launch.dependencies;
  item.grid = check_launch(std::move(launch), machine_->context);
  return machine_->enqueue(std::move(item));
}

void Device::check(KernelLaunch launch) const {
  static_cast<void>(check_launch(std::move(launch), machine_->context));
}

Ticket Device::submit(std::function<void()> operation, const std::vector<Ticket>& dependencies) {
  WorkItem item;
  item.operation = std::move(operation);
  for (const Ticket ticket : dependencies) {
    item.dependencies.push_back({ticket, DependencyKind::kFull});
  }
  return machine_->enqueue(std::move(item));
}

void Device::execute(KernelLaunch launch) {
  if (machine_->races != nullptr) {
    throw LaunchError(
        CudaError::kNotSupported,
        "the race check does not know the order of grids that a conditional graph node runs");
  }
  const auto grid = check_launch(std::move(launch), machine_->context);
  grid->id = ++machine_->last_ticket;
  if (auto fault = machine_->parallel.run(*grid, machine_->statistics))
    throw FaultError(std::move(*fault));
}

bool Device::completed(Ticket ticket) const { return !machine_->queue.contains(ticket); }
std::optional<Fault> Device::run_until(Ticket ticket) {
  return completed(ticket) ? machine_->fault : machine_->run_until(ticket);
}
std::optional<Fault> Device::run_all() { return machine_->run_until(0); }
std::optional<Fault> Device::fault() const { return machine_->fault; }

void Device::host_waited(Ticket ticket) {
  if (machine_->races != nullptr) machine_->races->host_waited(ticket);
}
void Device::host_waited_for_all() {
  if (machine_->races != nullptr) machine_->races->host_waited_for_all();
}
bool Device::settled(Ticket ticket) const {
  return completed(ticket) &&
         (machine_->races == nullptr || machine_->races->detector().order().host_knows(ticket));
}
bool Device::implies(Ticket later, Ticket ticket) const {
  return machine_->races != nullptr && completed(later) &&
         machine_->races->detector().order().implies(later, ticket);
}
std::vector<RaceFinding> Device::race_findings() const {
  return machine_->races == nullptr ? std::vector<RaceFinding>() : machine_->races->findings();
}

void Device::reset() {
  host_waited_for_all();
  machine_->forget_work();
  machine_->modules.clear();
  machine_->memory.clear();
  machine_->heap.clear();
}

const Settings& Device::settings() const { return machine_->settings; }
void Device::set_settings(Settings settings) { machine_->settings = std::move(settings); }
Statistics Device::statistics() const { return machine_->statistics; }

}  // namespace slipstream::emulator
