#include "emulator/machine/fault_report.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emulator/machine/access.h"
#include "emulator/machine/device_heap.h"
#include "emulator/machine/global_memory.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {
namespace {

std::array<uint32_t, 3> thread_index(const GridRun& grid, uint32_t warp, uint32_t lane) {
  const Dim3& block = grid.launch.block;
  const uint32_t thread = warp * Limits::kWarpSize + lane;
  return {thread % block.x, thread / block.x % block.y, thread / block.x / block.y};
}

std::string triple(const std::array<uint32_t, 3>& index) {
  return fmt::format("({}, {}, {})", index[0], index[1], index[2]);
}

// Where an operation comes from, in source and in PTX.
struct Place {
  std::string location;
  std::string instruction;
  uint32_t ptx_line = 0;
};

Place place_of(const Program& program, uint32_t pc) {
  const ptx::Instruction* const instruction = program.sources[pc];
  if (instruction == nullptr) return {"unknown", "", 0};
  const ptx::Module& module = *program.functions_by_pc[pc]->module;
  return {module.describe_location(*instruction), std::string(module.text(*instruction)),
          instruction->line};
}

Fault fault_in(const Warp& warp, FaultKind kind, uint32_t pc, uint32_t lane) {
  const GridRun& grid = *warp.cta->cluster->grid;
  const Place place = place_of(*grid.program, pc);
  Fault fault;
  fault.kind = kind;
  fault.device = grid.device->number;
  fault.is_one_of_several = grid.device->settings->devices > 1;
  fault.kernel = grid.kernel_name;
  fault.grid = grid.launch.grid;
  fault.block = grid.launch.block;
  fault.cta = warp.cta->index;
  fault.thread = thread_index(grid, warp.index, lane);
  fault.location = place.location;
  fault.instruction = place.instruction;
  fault.ptx_line = place.ptx_line;
  return fault;
}

std::string_view head_of(const Program& program, uint32_t pc) {
  const ptx::Instruction* const instruction = program.sources[pc];
  return instruction == nullptr ? std::string_view() : instruction->opcode->head;
}

// What a parked group waits for, in words.
std::string wait_of(const Program& program, const Group& group) {
  const std::string_view head = head_of(program, group.pc);
  switch (group.wait) {
    case Wait::kBarrier:
      return fmt::format("barrier {}", group.detail);
    case Wait::kConvergence:
      return fmt::format("lanes {:#010x} at {}", group.detail, head);
    case Wait::kCondition:
      return std::string(head);
    case Wait::kWarpgroup:
      return fmt::format("the other warps of its warpgroup at {}", head);
    default:
      return "nothing";
  }
}

// Whether a warp of the warpgroup has exited.
bool has_gone(const Warp& warp) {
  const auto& warps = warp.cta->warps;
  const auto first = warps.begin() + warp.index / kWarpsPerWarpgroup * kWarpsPerWarpgroup;
  return std::any_of(first, first + kWarpsPerWarpgroup,
                     [](const Warp& other) { return other.live == 0; });
}

// Parked at an instruction that the whole warp or warpgroup must come to, because part of it went
// elsewhere.
bool is_divergent(const Program& program, const Warp& warp, const Group& group) {
  const std::string_view head = head_of(program, group.pc);
  return (group.wait == Wait::kWarpgroup && has_gone(warp)) ||
         (group.wait == Wait::kConvergence &&
          (head == "bar" || head == "barrier" || head == "wgmma"));
}

std::string describe_divergence(const Program& program, const Warp& warp, const Group& group) {
  if (group.wait == Wait::kWarpgroup) {
    return fmt::format(
        "warp {} is at a wgmma.mma_async that the rest of its warpgroup does not come to",
        warp.index);
  }
  return fmt::format(
      "lanes {:#010x} of warp {} are at a {} that the rest of the warp does not come to",
      group.lanes, warp.index, head_of(program, group.pc) == "wgmma" ? "wgmma" : "barrier");
}

// "byte 4 of NAME (8 bytes)", or how far past its end.
std::string place_in(const std::string& name, uint64_t offset, uint64_t size) {
  return offset < size
             ? fmt::format("byte {} of {} ({} bytes)", offset, name, size)
             : fmt::format("{} bytes past the end of {} ({} bytes)", offset - size, name, size);
}

// What of the CTA's shared memory is at the address or before it.
std::string shared_place(const Cta& cta, uint64_t address) {
  const Program& program = *cta.cluster->grid->program;
  const uint64_t offset = (address & ((1ULL << kSharedRankShift) - 1)) - kSharedBase;
  const uint64_t dynamic = program.dynamic_shared_offset();
  if (cta.shared_bytes > dynamic && offset >= dynamic) {
    return place_in("dynamic shared memory", offset - dynamic, cta.shared_bytes - dynamic);
  }
  const auto& variables = program.shared_variables;
  const auto after = std::upper_bound(
      variables.begin(), variables.end(), offset,
      [](uint64_t at, const SharedVariable& variable) { return at < variable.offset; });
  if (after == variables.begin()) return "shared memory, of which the kernel has none there";
  const SharedVariable& variable = *std::prev(after);
  return place_in(fmt::format("shared variable {}", demangle(variable.name)),
                  offset - variable.offset, variable.size);
}

std::string memory_of(const Warp& warp, const LaneFault& cause) {
  const DeviceContext& device = *warp.cta->cluster->grid->device;
  const auto [space, address] = resolve_generic(cause.address);
  switch (space) {
    case AddressSpace::kShared:
      return shared_place(*warp.cta, address);
    case AddressSpace::kLocal:
      return "the thread's local memory";
    case AddressSpace::kParameter:
      return "the kernel's parameters";
    default:
      break;
  }
  if (device.heap->contains(address)) return device.heap->describe(address);
  if (const Allocation* const allocation = device.memory->find(address)) {
    return device.settings->devices > 1
               ? fmt::format("{} of device {}", describe(*allocation), allocation->device)
               : describe(*allocation);
  }
  const bool is_missing =
      cause.kind == FaultKind::kOutOfBounds || cause.kind == FaultKind::kUseAfterFree;
  return address != 0 && is_missing ? device.memory->describe(address) : "";
}

std::string numbers(const std::vector<uint32_t>& warps) {
  return fmt::format("{}", fmt::join(warps, ", "));
}

}  // namespace

std::string demangle(std::string_view name) {
  std::string mangled(name);
  if (!mangled.starts_with("_Z")) return mangled;  // "c" would be demangled to "char"
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 && plain != nullptr ? plain.get() : mangled;
}

std::string describe_address(const DeviceContext& device, uint64_t address) {
  return device.heap->contains(address) ? device.heap->describe(address)
                                        : device.memory->describe(address);
}

Fault describe_fault(const Warp& warp, const LaneFault& cause) {
  Fault fault = fault_in(warp, cause.kind, warp.pc, cause.lane);
  fault.message = cause.what();
  fault.address = cause.address;
  fault.allocation = memory_of(warp, cause);
  return fault;
}

namespace {

// Warps by CTA and what is said of them: groups that wait at the same place are one line.
using WarpStates = std::map<std::pair<uint32_t, std::string>, std::vector<uint32_t>>;

std::vector<std::string> describe_warps(const Cluster& cluster, WarpStates states) {
  std::vector<std::string> lines;
  for (auto& [key, warps] : states) {
    warps.erase(std::unique(warps.begin(), warps.end()), warps.end());
    lines.push_back(fmt::format("CTA {}: warps {} {}", triple(cluster.ctas[key.first].index),
                                numbers(warps), key.second));
  }
  return lines;
}

}  // namespace

Fault describe_deadlock(const Cluster& cluster) {
  const Program& program = *cluster.grid->program;
  WarpStates waiting;
  const Warp* first_warp = nullptr;
  const Group* first_group = nullptr;
  bool divergent = false;
  for (const Cta& cta : cluster.ctas) {
    for (const Warp& warp : cta.warps) {
      for (const Group& group : warp.groups) {
        const bool diverges = is_divergent(program, warp, group);
        if (first_group == nullptr || (diverges && !divergent)) {
          first_warp = &warp;
          first_group = &group;
          divergent |= diverges;
        }
        const std::string line = fmt::format("wait for {} at {}", wait_of(program, group),
                                             place_of(program, group.pc).location);
        waiting[{cta.rank, line}].push_back(warp.index);
      }
    }
  }
  const auto lane = static_cast<uint32_t>(__builtin_ctz(first_group->lanes));
  Fault fault =
      fault_in(*first_warp, divergent ? FaultKind::kDivergentBarrier : FaultKind::kDeadlock,
               first_group->pc, lane);
  fault.message = divergent ? describe_divergence(program, *first_warp, *first_group)
                            : fmt::format("no thread of the {} can go on",
                                          cluster.ctas.size() > 1 ? "cluster" : "CTA");
  fault.others = describe_warps(cluster, std::move(waiting));
  return fault;
}

namespace {

// How a group goes on, or what keeps it from that.
std::string state_of(const Program& program, const Group& group) {
  const std::string location = place_of(program, group.pc).location;
  return group.wait == Wait::kNone
             ? fmt::format("run at {}", location)
             : fmt::format("wait for {} at {}", wait_of(program, group), location);
}

}  // namespace

Fault describe_stop(const Cluster& cluster) {
  const Program& program = *cluster.grid->program;
  WarpStates states;
  const Warp* first_warp = nullptr;
  Group first_group;
  for (const Cta& cta : cluster.ctas) {
    for (const Warp& warp : cta.warps) {
      std::vector<Group> groups = warp.groups;
      if (warp.active != 0) groups.push_back({.pc = warp.pc, .lanes = warp.active});
      for (const Group& group : groups) {
        if (first_warp == nullptr ||
            (first_group.wait != Wait::kNone && group.wait == Wait::kNone)) {
          first_warp = &warp;
          first_group = group;
        }
        states[{cta.rank, state_of(program, group)}].push_back(warp.index);
      }
    }
  }
  const auto lane = static_cast<uint32_t>(__builtin_ctz(first_group.lanes));
  Fault fault = fault_in(*first_warp, FaultKind::kStopped, first_group.pc, lane);
  fault.message = "a signal asks the program to end while this kernel runs";
  fault.others = describe_warps(cluster, std::move(states));
  return fault;
}

namespace {

// "4 bytes at 0x7f00 (value 0x0): byte 64 of cudaMalloc #3 of device 0".
std::string describe_poll(const DeviceContext& device, const PolledRead& read) {
  const auto lane = static_cast<uint32_t>(__builtin_ctz(read.lanes));
  const uint64_t address = read.addresses[lane];
  const Allocation* const allocation = device.memory->find(address);
  std::string text =
      fmt::format("{} bytes at {:#x}: {}", read.bytes, address, describe_address(device, address));
  if (allocation != nullptr && device.settings->devices > 1) {
    text += fmt::format(" of device {}", allocation->device);
  }
  if (allocation != nullptr && read.bytes <= sizeof(uint64_t)) {
    uint64_t value = 0;
    std::memcpy(&value, reinterpret_cast<const void*>(address), read.bytes);
    text += fmt::format(", which holds {:#x}", value);
  }
  return text;
}

// What spins in the cluster: a line for each place in the program.
void describe_polls(const Cluster& cluster, std::map<uint32_t, std::string>& lines) {
  const GridRun& grid = *cluster.grid;
  for (const Cta& cta : cluster.ctas) {
    for (const Warp& warp : cta.warps) {
      if (warp.live == 0) continue;
      warp.polls.for_each([&](const Polls::Entry& entry) {
        const auto [line, is_new] = lines.try_emplace(entry.read.pc);
        if (!is_new) return;
        line->second = fmt::format("launch {} of {}: CTA {}, warp {} polls {} at {}", grid.id,
                                   grid.kernel_name, triple(cta.index), warp.index,
                                   describe_poll(*grid.device, entry.read),
                                   place_of(*grid.program, entry.read.pc).location);
      });
    }
  }
}

}  // namespace

Fault describe_spin(const std::vector<const GridRun*>& grids) {
  const Cluster& cluster = *grids.front()->asleep.front();
  const Warp* first = nullptr;
  uint32_t pc = 0;
  for (const Cta& cta : cluster.ctas) {
    for (const Warp& warp : cta.warps) {
      if (warp.live == 0) continue;
      warp.polls.for_each([&](const Polls::Entry& entry) {
        if (first != nullptr) return;
        first = &warp;
        pc = entry.read.pc;
      });
    }
  }
  if (first == nullptr) first = cluster.ctas.front().warps.data();
  Fault fault = fault_in(*first, FaultKind::kDeadlock, pc, 0);
  fault.message = fmt::format(
      "{} launches poll memory that nobody writes, and nothing else can run", grids.size());
  for (const GridRun* const grid : grids) {
    std::map<uint32_t, std::string> lines;
    for (const Cluster* const asleep : grid->asleep) describe_polls(*asleep, lines);
    for (const auto& [unused, line] : lines) fault.others.push_back(line);
  }
  return fault;
}

namespace {

void tell(const DeviceContext& device, const Fault& fault) {
  if (device.settings->report_observation) {
    device.settings->report_observation(fault);
  } else {
    std::fputs(fault.report().c_str(), stderr);
  }
}

}  // namespace

void report_once(Warp& warp, const LaneFault& finding) {
  const GridRun& grid = *warp.cta->cluster->grid;
  DeviceContext& device = *grid.device;
  const std::lock_guard lock(device.output);
  if (!device.reported_reads.emplace(grid.program, warp.pc).second) return;
  tell(device, describe_fault(warp, finding));
}

void report_unwritten_use(Warp& warp, const UnwrittenRead& read, uint32_t lane) {
  const GridRun& grid = *warp.cta->cluster->grid;
  DeviceContext& device = *grid.device;
  const std::lock_guard lock(device.output);
  if (!device.reported_reads.emplace(grid.program, read.pc).second) return;
  const Place use = place_of(*grid.program, warp.pc);
  const uint32_t pc = std::exchange(warp.pc, read.pc);
  Fault fault = describe_fault(
      warp, unwritten_read(device, lane, read.space, read.addresses[lane], read.bytes));
  warp.pc = pc;
  fault.others.push_back(
      fmt::format("used at {}, PTX line {}: {}", use.location, use.ptx_line, use.instruction));
  tell(device, fault);
}

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kOutOfBounds:
      return "out of bounds";
    case FaultKind::kMisaligned:
      return "misaligned address";
    case FaultKind::kUseAfterFree:
      return "use after free";
    case FaultKind::kNoPeerAccess:
      return "no peer access";
    case FaultKind::kInvalidFree:
      return "invalid free";
    case FaultKind::kUninitializedRead:
      return "read of memory nobody wrote";
    case FaultKind::kDeadlock:
      return "deadlock";
    case FaultKind::kDivergentBarrier:
      return "divergent barrier";
    case FaultKind::kTrap:
      return "trap";
    case FaultKind::kAssert:
      return "assertion failed";
    case FaultKind::kStackOverflow:
      return "stack overflow";
    case FaultKind::kMissingFence:
      return "missing fence";
    case FaultKind::kIllegalInstruction:
      return "illegal instruction";
    case FaultKind::kHostFunction:
      return "host function failed";
    case FaultKind::kStopped:
      return "stopped";
    case FaultKind::kExitedLanes:
      return "exited lanes";
  }
  return "fault";
}

CudaError cuda_error(FaultKind kind) {
  switch (kind) {
    case FaultKind::kOutOfBounds:
    case FaultKind::kUseAfterFree:
    case FaultKind::kNoPeerAccess:
    case FaultKind::kUninitializedRead:
      return CudaError::kIllegalAddress;
    case FaultKind::kMisaligned:
      return CudaError::kMisalignedAddress;
    case FaultKind::kDeadlock:
    case FaultKind::kStopped:
      return CudaError::kLaunchTimeout;
    case FaultKind::kAssert:
      return CudaError::kAssert;
    case FaultKind::kStackOverflow:
      return CudaError::kHardwareStackError;
    case FaultKind::kDivergentBarrier:
    case FaultKind::kMissingFence:
    case FaultKind::kExitedLanes:
    case FaultKind::kIllegalInstruction:
      return CudaError::kIllegalInstruction;
    case FaultKind::kInvalidFree:
    case FaultKind::kTrap:
    case FaultKind::kHostFunction:
      return CudaError::kLaunchFailure;
  }
  return CudaError::kLaunchFailure;
}

std::string Fault::report() const {
  const std::string number = is_one_of_several ? fmt::format(" {}", device) : "";
  std::string text = fmt::format("emulated device{}: {}: {}\n", number, name_of(kind), message);
  if (kind == FaultKind::kHostFunction) return text;
  text += fmt::format("  at {}\n", location);
  text +=
      fmt::format("  in {}, CTA {}, thread {} of grid ({}, {}, {}), block ({}, {}, {})\n", kernel,
                  triple(cta), triple(thread), grid.x, grid.y, grid.z, block.x, block.y, block.z);
  text += fmt::format("  PTX line {}: {}\n", ptx_line, instruction);
  if (!allocation.empty()) text += fmt::format("  memory: {}\n", allocation);
  for (const std::string& other : others) text += fmt::format("  {}\n", other);
  return text;
}

}  // namespace slipstream::emulator
