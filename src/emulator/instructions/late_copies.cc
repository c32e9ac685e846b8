#include "emulator/instructions/late_copies.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "emulator/instructions/mbarrier.h"
#include "emulator/machine/access.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/grid_run.h"

namespace slipstream::emulator {
namespace {

constexpr int kNoNumber = 0xff;  // repeated, a NaN in every floating-point type

// Removes the copies that `chosen` accepts from `copies` and returns them, oldest first.
template <class Chosen>
std::vector<LateCopy> take(std::vector<LateCopy>& copies, Chosen chosen) {
  const auto rest = std::stable_partition(copies.begin(), copies.end(),
                                          [&](const LateCopy& copy) { return !chosen(copy); });
  std::vector<LateCopy> taken(std::make_move_iterator(rest), std::make_move_iterator(copies.end()));
  copies.erase(rest, copies.end());
  return taken;
}

void arrive_at(std::byte* target, std::span<const std::byte> data, Combine combine) {
  if (combine != nullptr) {
    combine(target, data.data(), static_cast<uint32_t>(data.size()));
  } else {
    std::memcpy(target, data.data(), data.size());
  }
}

template <class Chosen>
void deliver(Warp& warp, Chosen chosen) {
  if (warp.late_copies.empty()) return;
  for (const LateCopy& copy : take(warp.late_copies, chosen)) {
    std::memcpy(copy.to, copy.data.data(), copy.data.size());
  }
}

bool is_of(const LateCopy& copy, uint32_t lanes) { return (lanes >> copy.lane & 1U) != 0; }

}  // namespace

bool copies_are_late(const Warp& warp) { return keeps_writes_apart(warp); }

void send_few(Warp& warp, uint32_t lane, uint64_t to, std::span<const std::byte> data) {
  const auto bytes = static_cast<uint32_t>(data.size());
  std::byte* const target = writable_shared(warp, lane, to, bytes, bytes);
  std::memset(target, kNoNumber, bytes);
  warp.late_copies.push_back({.to = target, .data = {data.begin(), data.end()}, .lane = lane});
}

void commit_group(Warp& warp, uint32_t lanes) {
  for (LateCopy& copy : warp.late_copies) {
    if (is_of(copy, lanes)) ++copy.commits;
  }
}

void deliver_groups(Warp& warp, uint32_t lanes, uint32_t pending) {
  deliver(warp, [&](const LateCopy& copy) { return is_of(copy, lanes) && copy.commits > pending; });
}

void deliver_all(Warp& warp, uint32_t lanes) {
  deliver(warp, [&](const LateCopy& copy) { return is_of(copy, lanes); });
}

void send_counted(Warp& warp, uint32_t lane, uint64_t to, std::span<const std::byte> data,
                  uint32_t alignment, uint64_t barrier, Combine combine) {
  const auto bytes = static_cast<uint32_t>(data.size());
  if (combine != nullptr) readable_shared(warp, lane, to, bytes, alignment);
  std::byte* const target = writable_shared(warp, lane, to, bytes, alignment);
  note_counted(warp, lane, barrier, to, bytes,
               combine != nullptr ? race::AccessKind::kAtomic : race::AccessKind::kWrite);
  note_sender(warp, lane, barrier);
  if (!copies_are_late(warp)) {
    arrive_at(target, data, combine);
    complete_noted_bytes(warp, lane, barrier, bytes);
    return;
  }
  if (combine == nullptr) std::memset(target, kNoNumber, bytes);
  Cluster& cluster = *warp.cta->cluster;
  cluster.late_copies.push_back({.to = target,
                                 .data = {data.begin(), data.end()},
                                 .barrier = mbarrier_object(warp, lane, barrier),
                                 .combine = combine});
  notify(cluster);  // those who wait for the mbarrier ask for its phase again
}

void deliver_counted(Warp& warp, uint32_t lane, uint64_t barrier) {
  Cluster& cluster = *warp.cta->cluster;
  if (cluster.late_copies.empty()) return;
  const std::byte* const object = mbarrier_object(warp, lane, barrier);
  for (const LateCopy& copy :
       take(cluster.late_copies, [&](const LateCopy& one) { return one.barrier == object; })) {
    arrive_at(copy.to, copy.data, copy.combine);
    complete_noted_bytes(warp, lane, barrier, static_cast<uint32_t>(copy.data.size()));
  }
}

}  // namespace slipstream::emulator
