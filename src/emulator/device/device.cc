#include "emulator/device/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <stdexcept>
#include <unordered_map>

#include "emulator/device/launch_check.h"
#include "emulator/device/loaded_module.h"
#include "emulator/machine/cluster_pools.h"
#include "emulator/machine/delayed_stores.h"
#include "emulator/machine/device_heap.h"
#include "emulator/machine/global_memory.h"
#include "emulator/machine/interleaved_runner.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/parallel_runner.h"
#include "emulator/machine/race_check.h"
#include "emulator/machine/stall_report.h"
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
    fault.device = device.number;
    fault.message = error.what();
    return fault;
  }
}

class Machine {
 public:
  explicit Machine(Settings given)
      : settings(std::move(given)),
        memory(settings.memory_bytes, settings.devices),
        delayed(memory, settings.seed),
        queue(settings.devices),
        parallel(settings),
        interleaved(settings, devices),
        faults(settings.devices) {
    if (settings.check_races) races = std::make_unique<RaceCheck>(memory, settings);
    for (uint32_t number = 0; number < settings.devices; ++number) {
      heaps.emplace_back(memory, settings.heap_bytes, number);
      DeviceContext& device = devices.emplace_back();
      device.number = number;
      device.memory = &memory;
      device.heap = &heaps.back();
      device.settings = &settings;
      device.idle = &idle;
      device.delayed = delays_stores() ? &delayed : nullptr;
      device.races = races.get();
      device.pools = &pools;
    }
  }

  Ticket enqueue(WorkItem item) {
    ++last_ticket;
    ++progress;
    if (item.grid != nullptr) item.grid->id = last_ticket;
    if (races != nullptr) {
      races->submit(last_ticket, item.dependencies, item.grid.get(), item.device);
    }
    // A device that a fault has stopped runs nothing.
    if (!faults[item.device]) queue.add(last_ticket, std::move(item));
    return last_ticket;
  }

  // Returns the first fault of those that stopped a device, now or earlier.
  std::optional<Fault> run_until(const std::function<bool()>& is_reached) {
    while (!is_reached()) {
      const bool is_serial = settings.schedule == Schedule::kSerial;
      auto fault = is_serial ? run_serially(is_reached)
                             : interleaved.run_until(queue, is_reached, statistics);
      if (!fault) break;
      stop(std::move(*fault));
    }
    return first_fault();
  }

  std::optional<Fault> first_fault() const {
    const auto stopped =
        std::ranges::find_if(faults, [](const auto& fault) { return fault.has_value(); });
    return stopped == faults.end() ? std::nullopt : *stopped;
  }

  void stop(Fault fault) {
    const uint32_t device = fault.device;
    faults[device] = std::move(fault);
    drop_work(device);
  }

  // Grids that have started and poll what does not change.
  std::vector<const GridRun*> spinning_grids(uint32_t device) const {
    std::vector<const GridRun*> spinning;
    queue.for_each([&](const WorkItem& item) {
      if (item.device == device && item.grid != nullptr && !item.grid->asleep.empty()) {
        spinning.push_back(item.grid.get());
      }
    });
    return spinning;
  }

  void drop_work(uint32_t device) {
    interleaved.drop(device);
    queue.drop(device);
    ++progress;
  }

  Settings settings;
  GlobalMemory memory;
  DelayedStores delayed;
  std::deque<DeviceHeap> heaps;
  ClusterPools pools;  // of all devices
  InterleavedRunner::Devices devices;
  Idle idle;
  std::unique_ptr<RaceCheck> races;
  WorkQueue queue;
  ParallelRunner parallel;
  InterleavedRunner interleaved;
  std::vector<std::unique_ptr<LoadedModule>> modules;
  Ticket last_ticket = 0;
  uint64_t progress = 0;
  std::vector<std::optional<Fault>> faults;  // by device
  Statistics statistics;

 private:
  bool delays_stores() const {
    return settings.devices > 1 && settings.schedule == Schedule::kAdversarial;
  }

  // Tickets are a topological order, so running them one after another fulfills every dependency. A
  // grid that only polls lets those after it run, and goes on when it reads something new.
  std::optional<Fault> run_serially(const std::function<bool()>& is_reached) {
    std::optional<Fault> fault;
    while (!fault && !is_reached()) {
      const auto next = std::ranges::find_if(
          queue.ready(), [&](Ticket ticket) { return can_get_on(queue.at(ticket)); });
      if (next == queue.ready().end()) break;
      fault = run(*next);
    }
    return fault;
  }

  static bool can_get_on(WorkItem& item) {
    return item.grid == nullptr || item.grid->asleep.empty() || item.grid->has_woken();
  }

  std::optional<Fault> run(Ticket ticket) {
    WorkItem& item = queue.at(ticket);
    DeviceContext& device = devices[item.device];
    auto fault = item.grid != nullptr ? parallel.run(*item.grid, statistics)
                                      : run_host_operation(ticket, item.operation, device);
    if (fault || (item.grid != nullptr && !item.grid->asleep.empty())) return fault;
    if (races != nullptr) races->complete(ticket);
    queue.complete(ticket);
    return std::nullopt;
  }
};

namespace {

// Device memory that a copy or fill touches must be inside one allocation; other addresses are host
// memory, which is not checked.
void check_range(const Machine& machine, uint64_t address, uint64_t size, const char* what) {
  const GlobalMemory& memory = machine.memory;
  for (const DeviceHeap& heap : machine.heaps) {
    if (!heap.contains(address)) continue;
    throw LaunchError(CudaError::kInvalidValue,
                      fmt::format("{} of {} bytes at {:#x}: the host cannot use {}", what, size,
                                  address, heap.describe(address)));
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

uint64_t Device::allocate(uint64_t size, MemoryKind kind, std::string name, uint32_t device) {
  return machine_->memory.allocate(size, kind, std::move(name), device);
}
bool Device::free(uint64_t address) {
  const Allocation* const allocation = machine_->memory.find(address);
  if (machine_->races != nullptr && allocation != nullptr && allocation->address == address) {
    machine_->races->memory_freed(address, allocation->size);
  }
  return machine_->memory.release(address);
}
void Device::renew(uint64_t address, uint64_t size, std::string name, uint32_t device) {
  machine_->memory.renew(address, size, std::move(name), device);
}
bool Device::register_host(void* pointer, uint64_t size, uint32_t device) {
  return machine_->memory.register_host(reinterpret_cast<uint64_t>(pointer), size, device);
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
bool Device::set_heap_limit(uint64_t bytes, uint32_t device) {
  return machine_->heaps[device].set_limit(bytes);
}
uint64_t Device::heap_limit(uint32_t device) const { return machine_->heaps[device].limit(); }
uint64_t Device::bytes_in_use(uint32_t device) const {
  return machine_->memory.bytes_in_use(device);
}
void Device::set_peer_access(uint32_t device, uint32_t peer, bool allowed) {
  machine_->memory.set_peer_access(device, peer, allowed);
}
bool Device::has_peer_access(uint32_t device, uint32_t peer) const {
  return machine_->memory.has_peer_access(device, peer);
}
void Device::share(uint64_t address, DeviceSet devices) {
  machine_->memory.share(address, devices);
}

uint64_t Device::reserve_addresses(uint64_t size, uint64_t alignment) {
  return machine_->memory.reserve_addresses(size, alignment);
}
void Device::free_addresses(uint64_t address) { machine_->memory.free_addresses(address); }
void Device::map(uint64_t address, const std::vector<Allocation>& memory) {
  machine_->memory.map(address, memory);
}
bool Device::take_memory(uint64_t bytes, uint32_t device) {
  return machine_->memory.take(bytes, device);
}
void Device::give_memory_back(uint64_t bytes, uint32_t device) {
  machine_->memory.give_back(bytes, device);
}

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

void Device::require_range(const std::string& what, uint64_t address, uint64_t size,
                           uint32_t device) const {
  const GlobalMemory& memory = machine_->memory;
  const MemoryRange range = memory.range_for(device, address);
  if (range.size != 0 && range.size - (address - range.begin) >= size) return;
  const std::string place = memory.describe(range.size == 0 ? address : range.begin + range.size);
  throw LaunchError(
      CudaError::kIllegalAddress,
      fmt::format("{} must be {} bytes of memory of device {}, at {:#x} it is not: {}", what, size,
                  device, address, place));
}

void Device::begin_call(const std::string& function) {
  ++machine_->statistics.grids;
  if (machine_->races != nullptr) machine_->races->host_calls(function);
}
void Device::call_reads(uint64_t address, uint64_t size) {
  if (machine_->races != nullptr) machine_->races->call_reads(address, size);
}
void Device::call_writes(uint64_t address, uint64_t size) {
  machine_->memory.mark_written(address, size);
  if (machine_->races != nullptr) machine_->races->call_writes(address, size);
}

LoadedModule* Device::load_module(std::vector<std::shared_ptr<const ptx::Module>> modules,
                                  uint32_t device, const LoadedModule* first) {
  auto loaded = std::make_unique<LoadedModule>(std::move(modules), machine_->memory, device, first);
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
  item.device = launch.kernel->device();
  item.grid = check_launch(std::move(launch), machine_->devices[item.device]);
  return machine_->enqueue(std::move(item));
}

void Device::check(KernelLaunch launch) const {
  const uint32_t device = launch.kernel->device();
  static_cast<void>(check_launch(std::move(launch), machine_->devices[device]));
}

Ticket Device::submit(std::function<void()> operation, const std::vector<Ticket>& dependencies,
                      uint32_t device) {
  WorkItem item;
  item.device = device;
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
  const uint32_t device = launch.kernel->device();
  const auto grid = check_launch(std::move(launch), machine_->devices[device]);
  grid->id = ++machine_->last_ticket;
  auto fault = machine_->parallel.run(*grid, machine_->statistics);
  if (!fault && !grid->asleep.empty()) fault = describe_spin({grid.get()});
  if (fault) throw FaultError(std::move(*fault));
}

bool Device::completed(Ticket ticket) const { return !machine_->queue.contains(ticket); }
std::optional<Fault> Device::run_until(Ticket ticket) {
  return machine_->run_until([&] { return completed(ticket); });
}
std::optional<Fault> Device::run_all() {
  return machine_->run_until([&] { return machine_->queue.empty(); });
}
std::optional<Fault> Device::run_all(uint32_t device) {
  return machine_->run_until([&] { return completed_all(device); });
}
bool Device::completed_all(uint32_t device) const { return machine_->queue.empty(device); }
std::optional<Fault> Device::fault(uint32_t device) const { return machine_->faults[device]; }

uint64_t Device::progress() const {
  return machine_->progress + machine_->statistics.grids + machine_->statistics.productive_turns;
}
void Device::pass_time(uint64_t nanoseconds) {
  machine_->idle.time += nanoseconds;
  ++machine_->idle.epoch;
}
void Device::drop_work(uint32_t device) { machine_->drop_work(device); }
void Device::stop_spinning() {
  for (uint32_t device = 0; device < machine_->settings.devices; ++device) {
    const auto spinning = machine_->spinning_grids(device);
    if (!spinning.empty()) machine_->stop(describe_spin(spinning));
  }
}

void Device::host_waited(Ticket ticket) {
  if (machine_->races != nullptr) machine_->races->host_waited(ticket);
}
void Device::host_waited_for_all(uint32_t device) {
  if (machine_->races != nullptr) machine_->races->host_waited_for_all(device);
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

void Device::reset(uint32_t device) {
  host_waited_for_all(device);
  machine_->drop_work(device);
  machine_->faults[device].reset();
  std::erase_if(machine_->modules, [&](const auto& module) { return module->device() == device; });
  machine_->memory.clear(device);
  machine_->heaps[device].clear();
}

const Settings& Device::settings() const { return machine_->settings; }
Statistics Device::statistics() const { return machine_->statistics; }

}  // namespace slipstream::emulator
