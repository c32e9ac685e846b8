// The emulated devices: memory, modules, and an ordered set of work that they execute.
//
// There is one or several (Settings::devices), by number. Each has its memory, its modules and its
// kernels; a kernel runs on the device of its module. What they share is the order of work, so that
// work of one device may depend on work of another.
//
// Work is submitted with the order it needs and nothing more: every Ticket may depend on earlier
// tickets, fully or programmatically. The device runs it when somebody has to see a result
// (run_until, run_all), under the schedule of its settings. Streams, events and graphs belong to
// the runtime, which turns them into dependencies.
//
// Not thread-safe: the caller holds one lock around the device. The device uses threads of its own
// to run CTAs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "code/ptx/module.h"
#include "emulator/machine/launch.h"

namespace slipstream::emulator {

class LoadedModule;  // pointers are stable until it is unloaded
class Machine;       // the implementation

class Device {
 public:
  explicit Device(Settings settings);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // --- Memory. Addresses are host addresses: the caller may read and write through them, but then
  // must tell the device (mark_written), and must respect the order of submitted work itself.

  // 0 if there is no room. Alignment is 512 bytes, sizes are exact, and a gap follows each.
  uint64_t allocate(uint64_t size, MemoryKind kind, std::string name, uint32_t device = 0);
  bool free(uint64_t address);  // false: no allocation starts there
  // A graph's memory: live again at each launch, at the same address.
  void renew(uint64_t address, uint64_t size, std::string name, uint32_t device = 0);
  bool register_host(void* pointer, uint64_t size, uint32_t device = 0);  // false: overlaps one
  bool unregister_host(void* pointer);                                    // false: not registered
  std::optional<Allocation> find(uint64_t address) const;  // the live allocation around an address
  void mark_written(uint64_t address, uint64_t size);      // [address, +size) now has values
  uint64_t bytes_in_use(uint32_t device = 0) const;        // device memory, managed included
  // The size of the heap that kernels allocate from. False once a kernel has been launched that does.
  bool set_heap_limit(uint64_t bytes, uint32_t device = 0);
  uint64_t heap_limit(uint32_t device = 0) const;
  // Lets kernels of a device use memory of a peer: all that cudaMalloc gave, or one allocation.
  void set_peer_access(uint32_t device, uint32_t peer, bool allowed);
  bool has_peer_access(uint32_t device, uint32_t peer) const;
  void share(uint64_t address, DeviceSet devices);

  // Addresses and memory apart: machine/global_memory.h.
  uint64_t reserve_addresses(uint64_t size, uint64_t alignment);
  void free_addresses(uint64_t address);
  void map(uint64_t address, const std::vector<Allocation>& memory);
  bool take_memory(uint64_t bytes, uint32_t device);
  void give_memory_back(uint64_t bytes, uint32_t device);

  // Immediate copies and fills; both ranges must lie inside live allocations where they are device
  // memory (throws LaunchError kInvalidValue otherwise). Submit them as host operations to order
  // them with grids. They track which bytes have values.
  void copy(uint64_t destination, uint64_t source, uint64_t size);
  void fill(uint64_t destination, uint64_t element, uint32_t element_bytes, uint64_t count);

  // For a host operation that stands for kernels of a library. That [address, +size) is memory that kernels of the device
  // may use, in one allocation (throws LaunchError kIllegalAddress otherwise); what the operation, named, does to it.
  void require_range(const std::string& what, uint64_t address, uint64_t size,
                     uint32_t device) const;
  void begin_call(const std::string& function);  // counts as a grid
  void call_reads(uint64_t address, uint64_t size);
  void call_writes(uint64_t address, uint64_t size);

  // --- Modules.

  // Links the modules, and allocates and initializes their variables. Nothing is decoded until a launch.
  // Managed variables are those of `first`, the same modules on another device, if there is one.
  LoadedModule* load_module(std::vector<std::shared_ptr<const ptx::Module>> modules,
                            uint32_t device = 0, const LoadedModule* first = nullptr);
  void unload_module(LoadedModule* module);
  const Kernel* find_kernel(const LoadedModule* module, std::string_view name) const;
  std::optional<Symbol> find_symbol(const LoadedModule* module, std::string_view name) const;
  // Throws LaunchError, naming kernel, source line and PTX text, where the kernel has an
  // instruction that the emulator does not know.
  KernelAttributes attributes(const Kernel* kernel) const;
  std::vector<KernelParameter> kernel_parameters(const Kernel* kernel) const;
  std::string kernel_name(const Kernel* kernel) const;  // mangled
  // CTAs of that shape that fit on one SM.
  uint32_t max_active_ctas_per_sm(const Kernel* kernel, uint32_t threads_per_cta,
                                  uint32_t dynamic_shared_bytes) const;

  // --- Work.

  // Checks the launch (throws LaunchError) and queues it.
  Ticket submit(KernelLaunch launch);
  // Only checks it: for launches that are captured now and submitted later.
  void check(KernelLaunch launch) const;
  // Queues a host operation: a copy, a fill, a host function, an event's time stamp. All its
  // dependencies are full. Use a no-op to join several tickets into one.
  Ticket submit(std::function<void()> operation, const std::vector<Ticket>& dependencies,
                uint32_t device = 0);

  // Runs a grid at once and to its end: for a submitted host operation that decides what runs. Throws where it
  // faults; the operation must let that through.
  void execute(KernelLaunch launch);

  bool completed(Ticket ticket) const;
  bool completed_all(uint32_t device) const;
  // Runs until the ticket, or everything submitted (to a device) is complete, or until all that could
  // run polls memory that does not change: then the host may have to submit more. Returns the fault
  // that stopped a device, now or earlier: a fault is sticky, and later work of its device does not
  // run.
  std::optional<Fault> run_until(Ticket ticket);
  std::optional<Fault> run_all();
  std::optional<Fault> run_all(uint32_t device);
  std::optional<Fault> fault(uint32_t device = 0) const;
  // Where nothing but polls is left. Moves when anything else happens:
  uint64_t progress() const;
  // Time passes for the polls, which may have a limit.
  void pass_time(uint64_t nanoseconds);
  // Forgets the queued work of a device.
  void drop_work(uint32_t device);
  // Stops every device that polls, with a fault that says what.
  void stop_spinning();
  // The host now knows that the ticket, or everything submitted, is complete. Only the race check
  // uses this: completion alone orders nothing that the host does next.
  void host_waited(Ticket ticket);
  void host_waited_for_all(uint32_t device = 0);
  // Whether nothing that the host submits from now on needs to depend on the ticket.
  bool settled(Ticket ticket) const;
  // The same for something that depends on `later` anyway.
  bool implies(Ticket later, Ticket ticket) const;
  std::vector<RaceFinding> race_findings() const;
  // Forgets faults, queued work and all memory of a device, as cudaDeviceReset does.
  void reset(uint32_t device = 0);

  const Settings& settings() const;
  Statistics statistics() const;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace slipstream::emulator
