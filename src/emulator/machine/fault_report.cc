#include "emulator/machine/fault_report.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "emulator/machine/access.h"
#include "emulator/machine/device_heap.h"
#include "emulator/machine/fault_place.h"
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

}  // namespace

std::string triple(const std::array<uint32_t, 3>& index) {
  return fmt::format("({}, {}, {})", index[0], index[1], index[2]);
}

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

}  // namespace slipstream::emulator
