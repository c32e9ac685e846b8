#include "emulator/machine/warp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/unwritten_values.h"
#include "emulator/machine/watch.h"
#include "emulator/race/cluster_order.h"

namespace slipstream::emulator {
namespace {

uint32_t count_lanes(uint32_t mask) { return static_cast<uint32_t>(__builtin_popcount(mask)); }

bool can_run(const Warp& warp, const Group& group) {
  return group.wait == Wait::kNone ||
         (group.wait == Wait::kCondition && group.epoch != warp.cta->cluster->epoch);
}

// Deeper in calls first, then lower in the program.
bool goes_before(const Group& a, const Group& b) {
  return a.frame->depth != b.frame->depth ? a.frame->depth > b.frame->depth : a.pc < b.pc;
}

bool meets(const Group& a, const Group& b) {
  return a.pc == b.pc && a.frame == b.frame && a.resumed == b.resumed &&
         (!a.resumed || a.detail == b.detail);
}

void make_running(Warp& warp, const Group& group) {
  warp.pc = group.pc;
  warp.active = group.lanes;
  warp.frame = group.frame;
  warp.registers = group.frame->registers;
  warp.resumed = group.resumed;
  warp.detail = group.detail;
}

// Joins the other groups at the same place, and finds where the next one waits to be joined.
void merge_into(Warp& warp, Group& chosen) {
  warp.merge_pc = kNoMerge;
  bool in_order = !warp.hold;
  std::erase_if(warp.groups, [&](const Group& other) {
    if (!can_run(warp, other)) {
      in_order = false;
      return false;
    }
    if (meets(chosen, other)) {
      chosen.lanes |= other.lanes;
      return true;
    }
    if (other.frame == chosen.frame && other.pc > chosen.pc) {
      warp.merge_pc = std::min(warp.merge_pc, other.pc);
      in_order = in_order && other.wait == Wait::kNone;
    } else {
      in_order = false;
    }
    return false;
  });
  warp.in_order = in_order;
}

// Some lanes of the running group wait for their turn at `pc`, and all others are in order.
void add_waiting(Warp& warp, uint32_t lanes, uint32_t pc) {
  for (Group& group : warp.groups) {
    if (group.pc == pc && !group.resumed) {
      group.lanes |= lanes;
      return;
    }
  }
  split_off(warp, lanes, warp.frame, pc);
}

// The memory of a CTA that has ended may be another one's when the copy arrives.
void require_no_copy_under_way(const Cta& cta, uint32_t lane) {
  for (const LateCopy& copy : cta.cluster->late_copies) {
    const std::ptrdiff_t offset = copy.to - cta.shared;
    if (offset < 0 || offset >= static_cast<std::ptrdiff_t>(cta.shared_bytes)) continue;
    const uint64_t address = kSharedBase + static_cast<uint64_t>(offset);
    raise(FaultKind::kUseAfterFree, lane,
          fmt::format("the CTA ends while a copy of {} bytes to its shared address {:#x} is under "
                      "way: nobody has waited for the mbarrier that counts them",
                      copy.data.size(), address),
          kSharedWindow | address);
  }
}

}  // namespace

// Where what it points to is known.
Warp::Warp() = default;
Warp::~Warp() = default;
Warp::Warp(Warp&& other) noexcept = default;
Warp& Warp::operator=(Warp&& other) noexcept = default;

void raise(FaultKind kind, uint32_t lane, const std::string& message, uint64_t address) {
  throw LaneFault(kind, lane, address, message);
}

void put_back(Warp& warp) {
  Group group;
  group.pc = warp.pc;
  group.lanes = warp.active;
  group.frame = warp.frame;
  group.resumed = warp.resumed;
  group.detail = warp.detail;
  group.last_run = ++warp.clock;
  warp.groups.push_back(group);
  warp.in_order = false;
  warp.active = 0;
}

bool select_group(Warp& warp) {
  auto best = warp.groups.end();
  for (auto group = warp.groups.begin(); group != warp.groups.end(); ++group) {
    if (!can_run(warp, *group)) continue;
    if (warp.hold && group->last_run == warp.clock) {
      best = group;
      break;
    }
    if (best == warp.groups.end() || goes_before(*group, *best)) best = group;
  }
  if (best == warp.groups.end()) {
    warp.active = 0;
    return false;
  }
  warp.hold = warp.hold && best->last_run == warp.clock;
  Group chosen = *best;
  chosen.wait = Wait::kNone;
  *best = warp.groups.back();
  warp.groups.pop_back();
  merge_into(warp, chosen);
  make_running(warp, chosen);
  return true;
}

bool rotate(Warp& warp) {
  Group* oldest = nullptr;
  for (Group& group : warp.groups) {
    if (can_run(warp, group) && (oldest == nullptr || group.last_run < oldest->last_run)) {
      oldest = &group;
    }
  }
  if (oldest == nullptr) return false;
  Group next = *oldest;
  next.wait = Wait::kNone;
  *oldest = warp.groups.back();
  warp.groups.pop_back();
  put_back(warp);
  warp.hold = true;
  merge_into(warp, next);
  make_running(warp, next);
  return true;
}

void meet(Warp& warp) {
  if (warp.in_order) {
    Group running{.pc = warp.pc,
                  .lanes = warp.active,
                  .frame = warp.frame,
                  .resumed = warp.resumed,
                  .detail = warp.detail};
    merge_into(warp, running);
    warp.active = running.lanes;
  } else {
    put_back(warp);
    select_group(warp);
  }
}

void end_hold(Warp& warp) {
  warp.hold = false;
  put_back(warp);
}

Step jump(Warp& warp, uint32_t pc) {
  warp.pc = pc;
  if (warp.groups.empty() || (warp.in_order && pc < warp.merge_pc)) return Step::kJump;
  put_back(warp);
  return Step::kReschedule;
}

Step branch(Warp& warp, uint32_t taken, uint32_t target) {
  const uint32_t staying = warp.active & ~taken;
  if (staying == 0) return jump(warp, target);
  const uint32_t next = warp.pc + 1;
  const bool jumps_ahead = target > next;
  const uint32_t lower = std::min(target, next);
  const uint32_t higher = std::max(target, next);
  const bool stays_in_order =
      (warp.groups.empty() && !warp.hold) || (warp.in_order && lower < warp.merge_pc);
  if (!stays_in_order || lower == higher) {
    split_off(warp, staying, warp.frame, next);
    warp.active = taken;
    return jump(warp, target);
  }
  // The common case: the lower lanes run on, the higher wait, perhaps with others that are there already.
  add_waiting(warp, jumps_ahead ? taken : staying, higher);
  warp.active = jumps_ahead ? staying : taken;
  warp.pc = lower;
  warp.merge_pc = warp.groups.size() == 1 ? higher : std::min(warp.merge_pc, higher);
  warp.in_order = true;
  return Step::kJump;
}

void split_off(Warp& warp, uint32_t lanes, Frame* frame, uint32_t pc) {
  Group group;
  group.pc = pc;
  group.lanes = lanes;
  group.frame = frame;
  group.last_run = ++warp.clock;
  warp.groups.push_back(group);
  warp.in_order = false;
}

Step leave_behind(Warp& warp, uint32_t lanes) {
  const uint32_t rest = warp.active & ~lanes;
  warp.active = 0;
  if (rest != 0) {
    warp.active = rest;
    ++warp.pc;
    put_back(warp);
  }
  return Step::kReschedule;
}

Step exit_lanes(Warp& warp, uint32_t lanes) {
  Cta& cta = *warp.cta;
  finish_all_stores(warp, lanes);
  if (race::ClusterOrder* const order = order_of(warp)) order->exit(order_index(warp), lanes);
  warp.live &= ~lanes;
  cta.live_threads -= count_lanes(lanes);
  cta.cluster->live_threads -= count_lanes(lanes);
  // A barrier.cluster that an exiting thread has arrived at no longer waits for it either.
  Cluster& cluster = *cta.cluster;
  const uint32_t parity = cluster.barrier_parity != 0 ? kAllLanes : 0;
  const uint32_t counted = warp.cluster_arrived & lanes & ~(warp.cluster_parity ^ parity);
  cluster.barrier_arrived -= count_lanes(counted);
  // Groups that wait for lanes which have exited check again.
  for (Group& group : warp.groups) {
    if (group.wait == Wait::kConvergence) group.wait = Wait::kNone;
  }
  complete_barriers(cta);
  complete_cluster_barrier(*cta.cluster);
  ++cluster.progress;
  if (cta.live_threads == 0) {
    require_no_copy_under_way(cta, static_cast<uint32_t>(__builtin_ctz(lanes)));
    if (cluster.order != nullptr) cluster.order->exit_cta(cta.rank);
  }
  return leave_behind(warp, lanes);
}

Step park(Warp& warp, uint32_t lanes, Wait wait, uint32_t detail) {
  Group group;
  group.pc = warp.pc;
  group.lanes = lanes;
  group.frame = warp.frame;
  group.wait = wait;
  group.detail = detail;
  group.last_run = ++warp.clock;
  group.epoch = warp.cta->cluster->epoch;
  warp.groups.push_back(group);
  warp.in_order = false;
  return leave_behind(warp, lanes);
}

Step wait_for_change(Warp& warp, uint32_t lanes) { return park(warp, lanes, Wait::kCondition); }

Step yield(Warp& warp) {
  ++warp.pc;
  if (!rotate(warp)) put_back(warp);
  warp.yielded = true;
  return Step::kReschedule;
}

bool gather(Warp& warp, const Operation& operation, uint32_t members, uint32_t& executing) {
  const uint32_t needed = members & warp.live;
  if ((needed & ~executing) == 0) return true;
  std::erase_if(warp.groups, [&](const Group& other) {
    if (other.wait != Wait::kConvergence || other.pc != warp.pc || other.frame != warp.frame) {
      return false;
    }
    warp.active |= other.lanes;
    return true;
  });
  uint32_t guard = 0;
  std::memcpy(&guard, warp.registers + operation.guard, sizeof(guard));
  executing = warp.active & (guard ^ operation.guard_flip);
  return (needed & ~executing) == 0;
}

}  // namespace slipstream::emulator
