// The emulated device: memory, modules, and an ordered set of work that it executes.
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

#include "emulator/machine/fault.h"
#include "emulator/machine/race_finding.h"
#include "emulator/ptx/module.h"

namespace slipstream::emulator::machine {

enum class Schedule : uint8_t {
  kSerial,       // each grid completes before the next starts: fastest
  kOverlapped,   // a dependent grid starts as early as its dependencies and the triggers allow
  kAdversarial,  // overlapped in random order; a grid's unpublished writes stay invisible to others
};

// Reading global or shared memory that nobody wrote is no error on a real device, so by default it
// is only reported, once for each instruction.
enum class UninitializedReads : uint8_t { kIgnore, kReport, kFault };

struct Settings {
  uint32_t sm_count = 132;
  uint32_t threads = 0;  // host threads that run CTAs; 0: one per core. Never changes a result.
  uint64_t seed = 0;     // of the adversarial schedule
  Schedule schedule = Schedule::kSerial;
  UninitializedReads uninitialized_reads = UninitializedReads::kReport;
  uint64_t memory_bytes = 141ULL << 30;                  // allocations beyond it fail
  std::function<void(std::string_view)> print;           // device printf; default: stdout
  std::function<void(const Fault&)> report_observation;  // non-fatal findings; default: stderr
  bool check_races = false;                              // runs CTAs on one host thread
  std::function<void(const RaceFinding&)> report_race;   // told of each finding when it is new
};

// Limits of the emulated device, those of an H200.
struct Limits {
  static constexpr uint32_t kWarpSize = 32;
  static constexpr uint32_t kMaxThreadsPerCta = 1024;
  static constexpr uint32_t kMaxThreadsPerSm = 2048;
  static constexpr uint32_t kMaxCtasPerSm = 32;
  static constexpr uint32_t kMaxClusterSize = 16;  // above 8 only if the function allows it
  static constexpr uint32_t kMaxPortableClusterSize = 8;
  static constexpr uint32_t kRegistersPerSm = 65536;
  static constexpr uint32_t kSharedPerSm = 228 * 1024;
  static constexpr uint32_t kMaxSharedPerCta = 227 * 1024;  // opted in
  static constexpr uint32_t kDefaultSharedPerCta = 48 * 1024;
  static constexpr uint32_t kReservedSharedPerCta = 1024;
};

enum class MemoryKind : uint8_t {
  kDevice,
  kPinned,      // cudaHostAlloc: host memory that kernels may use
  kManaged,     // cudaMallocManaged
  kModule,      // module-scope variables
  kRegistered,  // cudaHostRegister: memory of the program
};

struct Allocation {
  uint64_t address = 0;
  uint64_t size = 0;
  MemoryKind kind = MemoryKind::kDevice;
  uint64_t serial = 0;  // counts allocations, for messages
  std::string name;     // "cudaMalloc #3", "variable counter"
};

class Kernel;        // a kernel of a loaded module; pointers are stable until its module goes
class LoadedModule;  // as above
class Machine;       // the implementation

struct KernelParameter {
  uint32_t offset = 0;  // in the parameter block
  uint32_t size = 0;
};

struct KernelAttributes {
  uint32_t static_shared_bytes = 0;
  uint32_t const_bytes = 0;
  uint32_t local_bytes = 0;  // per thread
  uint32_t max_threads_per_cta = Limits::kMaxThreadsPerCta;
  uint32_t registers = 0;  // an estimate: 32-bit registers live at once
  uint32_t ptx_version = 90;
  uint32_t binary_version = 90;
  uint32_t parameter_bytes = 0;
  Dim3 required_cluster{0, 0, 0};  // .reqnctapercluster, zeros if none
  bool uses_griddepcontrol_wait = false;
};

struct Symbol {
  uint64_t address = 0;
  uint64_t size = 0;
};

using Ticket = uint64_t;  // 0 is no ticket

enum class DependencyKind : uint8_t {
  kFull,          // completed, and its writes visible
  kProgrammatic,  // every CTA has triggered or exited; a wait in the dependent is for completion
  kLaunchCompletion,  // every CTA has started; a wait in the dependent is for completion too
};

struct Dependency {
  Ticket ticket = 0;
  DependencyKind kind = DependencyKind::kFull;
};

struct KernelLaunch {
  const Kernel* kernel = nullptr;
  Dim3 grid;
  Dim3 block;
  Dim3 cluster{0, 0, 0};  // zeros: what the kernel requires, or none
  uint32_t dynamic_shared_bytes = 0;
  uint32_t max_dynamic_shared_bytes = 0;  // as set on the function; 0: never raised
  bool non_portable_cluster = false;
  bool cooperative = false;
  uint64_t workspace = 0;  // %envreg1 and 2: zeroed memory with the barrier of a cooperative grid
  uint64_t memory_domain = 0;       // memory synchronization domain
  std::vector<uint8_t> parameters;  // the parameter block, kernel_parameters() gives its layout
  std::vector<Dependency> dependencies;  // on earlier tickets
};

struct Statistics {
  uint64_t grids = 0;
  uint64_t ctas = 0;
  uint64_t warp_instructions = 0;
  uint64_t lane_instructions = 0;
};

class Device {
 public:
  explicit Device(Settings settings);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // --- Memory. Addresses are host addresses: the caller may read and write through them, but then
  // must tell the device (mark_written), and must respect the order of submitted work itself.

  // 0 if there is no room. Alignment is 512 bytes, sizes are exact, and a gap follows each.
  uint64_t allocate(uint64_t size, MemoryKind kind, std::string name);
  bool free(uint64_t address);                             // false: no allocation starts there
  bool register_host(void* pointer, uint64_t size);        // false: overlaps one
  bool unregister_host(void* pointer);                     // false: not registered
  std::optional<Allocation> find(uint64_t address) const;  // the live allocation around an address
  void mark_written(uint64_t address, uint64_t size);      // [address, +size) now has values
  uint64_t bytes_in_use() const;                           // device memory, managed included

  // Immediate copies and fills; both ranges must lie inside live allocations where they are device
  // memory (throws LaunchError kInvalidValue otherwise). Submit them as host operations to order
  // them with grids. They track which bytes have values.
  void copy(uint64_t destination, uint64_t source, uint64_t size);
  void fill(uint64_t destination, uint64_t element, uint32_t element_bytes, uint64_t count);

  // --- Modules.

  // Allocates and initialises the module's variables. Nothing is decoded until a launch.
  LoadedModule* load_module(std::shared_ptr<const ptx::Module> module);
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
  Ticket submit(std::function<void()> operation, const std::vector<Ticket>& dependencies);

  bool completed(Ticket ticket) const;
  // Runs until the ticket, or everything submitted, is complete. Returns the fault that stopped the
  // device, now or earlier: a fault is sticky, and work behind it does not run.
  std::optional<Fault> run_until(Ticket ticket);
  std::optional<Fault> run_all();
  std::optional<Fault> fault() const;
  // The host has learnt that the ticket, or everything submitted, is complete. Only the race check
  // asks: completion alone orders nothing that the host does next.
  void host_waited(Ticket ticket);
  void host_waited_for_all();
  // Whether nothing that the host submits from now on needs to depend on the ticket.
  bool settled(Ticket ticket) const;
  // The same for something that depends on `later` anyway.
  bool implies(Ticket later, Ticket ticket) const;
  std::vector<RaceFinding> race_findings() const;
  // Forgets faults, queued work and all memory, as cudaDeviceReset does.
  void reset();

  const Settings& settings() const;
  void set_settings(Settings settings);  // between runs
  Statistics statistics() const;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace slipstream::emulator::machine
