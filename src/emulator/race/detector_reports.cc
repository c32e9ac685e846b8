// What Detector says of conflicts that it has found.
#include <cstring>
#include <utility>

#include "emulator/race/detector.h"

namespace slipstream::emulator::race {

Accessor Detector::describe(Cell access, Lane known, uint64_t address) const {
  const History& history = order_.history();
  const History::Access& what = history[access_of(access)];
  const Segment& segment = history.segment(what.segment);
  const ClusterInfo& cluster = history.cluster(segment.cluster);
  Accessor accessor;
  accessor.site = history.site(what.site);
  accessor.ticket = cluster.ticket;
  accessor.device = cluster.device;
  accessor.cluster = cluster.index;
  accessor.cta = segment.warp / cluster.warps_per_cta;
  accessor.warp = segment.warp % cluster.warps_per_cta;
  const bool shared = known == Lane::kFirst && accessor.site.lane_bytes < kCellBytes;
  const auto byte = static_cast<uint32_t>(address % kCellBytes);
  accessor.lane = lane_of(access) + (shared ? byte / accessor.site.lane_bytes : 0);
  accessor.lane_known = known != Lane::kUnknown;
  accessor.waited = (segment.waited_lanes >> accessor.lane & 1U) != 0;
  return accessor;
}

Missing Detector::missing_between(const Accessor& first, const Accessor& second,
                                  bool reversed) const {
  if (first.ticket == second.ticket) {
    if (first.cluster != second.cluster) return Missing::kGridSync;
    return first.cta != second.cta ? Missing::kClusterSync : Missing::kCtaSync;
  }
  if (first.device != second.device) return Missing::kSystemScope;
  // The current access is the second of the two, unless the second grid ran ahead.
  const bool is_ancestor = reversed ? order_.is_ancestor(first.ticket, second.ticket)
                                    : now_.cluster->work().ancestors.contains(first.ticket);
  if (!is_ancestor) return Missing::kDependency;
  return second.waited ? Missing::kChain : Missing::kWait;
}

void Detector::report(Cell earlier, bool is_write, Lane known, uint64_t address, uint32_t bytes,
                      uint32_t lane, std::optional<Missing> missing) {
  Conflict conflict;
  conflict.first = describe(earlier, known, address);
  conflict.second = describe(cell_of(now_.access, lane), Lane::kExact, address);
  const bool reversed = conflict.first.ticket > conflict.second.ticket;
  if (reversed) std::swap(conflict.first, conflict.second);
  const bool now_writes = now_.site.kind != AccessKind::kRead;
  const bool first_writes = reversed ? now_writes : is_write;
  const bool second_writes = reversed ? is_write : now_writes;
  conflict.kind = !first_writes   ? ConflictKind::kWriteAfterRead
                  : second_writes ? ConflictKind::kWriteAfterWrite
                                  : ConflictKind::kReadAfterWrite;
  conflict.missing =
      missing ? *missing : missing_between(conflict.first, conflict.second, reversed);
  conflict.address = address;
  conflict.bytes = bytes;
  const auto leaves_unused = [&](const Accessor& accessor) {
    const Site& site = accessor.site;
    return uses_byte && site.kind == AccessKind::kRead && site.program != nullptr &&
           !uses_byte(site, static_cast<uint32_t>(address % site.lane_bytes));
  };
  if (conflict.missing == Missing::kProxyFence) {
    conflict.special = ConflictClass::kProxy;
  } else if (conflict.missing == Missing::kChain) {
    conflict.special = ConflictClass::kTransitive;
  } else if (leaves_unused(conflict.first) || leaves_unused(conflict.second)) {
    conflict.special = ConflictClass::kOverRead;
  } else if ((conflict.first.site.kind == AccessKind::kAtomic) !=
             (conflict.second.site.kind == AccessKind::kAtomic)) {
    conflict.special = ConflictClass::kAtomic;
  }
  if (!compares_values || now_.site.kind != AccessKind::kWrite || now_.site.program == nullptr) {
    report_(conflict);
    return;
  }
  Held held{conflict, {}};
  std::memcpy(held.before.data(), reinterpret_cast<const void*>(address), bytes);
  held_back_.push_back(held);
}

// Called when the store is done and it can be seen whether it changed anything.
void Detector::judge_stores() {
  for (Held& held : held_back_) {
    const auto* const now = reinterpret_cast<const void*>(held.conflict.address);
    if (std::memcmp(now, held.before.data(), held.conflict.bytes) == 0) {
      held.conflict.special = ConflictClass::kSameValue;
    }
    report_(held.conflict);
  }
  held_back_.clear();
}

}  // namespace slipstream::emulator::race
