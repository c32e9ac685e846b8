// Describes a launch and the device that runs it: settings, limits, memory, kernels, dependencies.
// The types that the machine and the device share.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/machine/fault.h"
#include "emulator/machine/race_finding.h"

namespace slipstream::emulator {

enum class Schedule : uint8_t {
  kSerial,       // each grid completes before the next starts: fastest
  kOverlapped,   // a dependent grid starts as early as its dependencies and the triggers allow
  kAdversarial,  // overlapped in random order; a grid's unpublished writes stay invisible to others
};

// Reading global or shared memory that nobody wrote is no error on a real device, so it is only reported, once for each
// instruction, and by default where what was read is used.
enum class UninitializedReads : uint8_t { kIgnore, kReportUses, kReport, kFault };

struct Settings {
  uint32_t devices = 1;  // at most kMaxDevices
  uint32_t sm_count = 132;
  uint32_t threads = 0;  // host threads that run CTAs; 0: one per core. Never changes a result.
  uint64_t seed = 0;     // of the adversarial schedule
  Schedule schedule = Schedule::kSerial;
  UninitializedReads uninitialized_reads = UninitializedReads::kReportUses;
  uint64_t memory_bytes = 141ULL << 30;  // of each device: allocations beyond it fail
  uint64_t heap_bytes =
      8ULL << 20;  // of malloc in kernels, unless Device::set_heap_limit says otherwise
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

inline constexpr uint32_t kMaxDevices = 16;
using DeviceSet = uint32_t;  // a bit for each device

enum class MemoryKind : uint8_t {
  kDevice,
  kPool,        // stream-ordered: peer access does not cover it, sharing does
  kPinned,      // cudaHostAlloc: host memory that kernels may use
  kManaged,     // cudaMallocManaged
  kModule,      // module-scope variables
  kHeap,        // what kernels allocate from
  kMapped,      // in reserved addresses: for the devices that it is shared with, and no others
  kRegistered,  // cudaHostRegister: memory of the program
};

struct Allocation {
  uint64_t address = 0;
  uint64_t size = 0;
  MemoryKind kind = MemoryKind::kDevice;
  uint32_t device = 0;        // that it belongs to
  DeviceSet shared_with = 0;  // others that may use it, peer access or not
  uint64_t serial = 0;        // counts allocations, for messages
  std::string name;           // "cudaMalloc #3", "variable counter"
};

class Kernel;  // a kernel of a loaded module; pointers are stable until its module goes

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
  kBlockStart,    // every CTA has started; a wait in the dependent is for completion too
  kLaunchCompletion,  // every CTA has started; a wait in the dependent is not for it
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
  uint64_t productive_turns = 0;  // of clusters, that did more than poll
  double seconds = 0;             // while grids ran one after the other
};

}  // namespace slipstream::emulator
