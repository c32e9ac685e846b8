#include "emulator/machine/stall_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emulator/machine/fault_place.h"
#include "emulator/machine/fault_report.h"
#include "emulator/machine/global_memory.h"

namespace slipstream::emulator {
namespace {

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

std::string numbers(const std::vector<uint32_t>& warps) {
  return fmt::format("{}", fmt::join(warps, ", "));
}

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

}  // namespace slipstream::emulator
