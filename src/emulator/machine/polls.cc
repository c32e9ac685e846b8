#include "emulator/machine/polls.h"

#include <algorithm>
#include <utility>

#include "emulator/machine/cta.h"
#include "emulator/machine/global_memory.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/overlay.h"
#include "emulator/machine/warp.h"

namespace slipstream::emulator {
namespace {

// A spin over more reads than this is not recognized.
constexpr size_t kRemembered = 256;

template <class Function>
void for_each_lane_of(uint32_t lanes, Function function) {
  for (; lanes != 0; lanes &= lanes - 1) function(static_cast<uint32_t>(std::countr_zero(lanes)));
}

bool is_same(const PolledRead& a, const PolledRead& b) {
  if (a.operation != b.operation || a.lanes != b.lanes) return false;
  bool same = true;
  for_each_lane_of(a.lanes,
                   [&](uint32_t lane) { same = same && a.addresses[lane] == b.addresses[lane]; });
  return same;
}

uint64_t result_now(const PolledRead& read, const Overlay* overlay) {
  Digest digest;
  std::array<std::byte, 32> bytes{};
  for_each_lane_of(read.lanes, [&](uint32_t lane) {
    if (overlay != nullptr) {
      overlay->read(read.addresses[lane], bytes.data(), read.bytes);
      digest.add(bytes.data(), read.bytes);
    } else {
      digest.add(reinterpret_cast<const void*>(read.addresses[lane]), read.bytes);
    }
  });
  return digest.value();
}

}  // namespace

bool Polls::count(const PolledRead& read, uint64_t result) {
  const auto known =
      std::ranges::find_if(entries_, [&](const Entry& entry) { return is_same(entry.read, read); });
  if (known != entries_.end() && known->result == result) {
    known->streak = streak_;
    ++unchanged_;
    return false;
  }
  progress();
  if (known != entries_.end()) {
    known->result = result;
    known->streak = streak_;
    return true;
  }
  if (entries_.size() >= kRemembered) entries_.clear();
  entries_.push_back({read, result, streak_});
  return true;
}

void note_progress(Warp& warp) {
  warp.polls.progress();
  ++warp.cta->cluster->progress;
}

void note_read(Warp& warp, const PolledRead& read, uint64_t result) {
  if (warp.polls.count(read, result)) ++warp.cta->cluster->progress;
}

void fall_asleep(Cluster& cluster) {
  cluster.quiet_rounds = 0;
  cluster.asleep_since = cluster.grid->device->memory->generation();
}

void wake_up(Cluster& cluster) {
  for (Cta& cta : cluster.ctas) {
    for (Warp& warp : cta.warps) warp.polls.wake();
  }
}

bool would_wake(const Cluster& cluster) {
  // Memory that is polled may have gone: the cluster has to find out by itself.
  if (cluster.asleep_since != cluster.grid->device->memory->generation()) return true;
  const Overlay* const overlay = cluster.grid->overlay.get();
  bool changed = false;
  for (const Cta& cta : cluster.ctas) {
    for (const Warp& warp : cta.warps) {
      if (warp.live == 0) continue;
      warp.polls.for_each([&](const Polls::Entry& entry) {
        changed = changed || result_now(entry.read, overlay) != entry.result;
      });
      if (changed) return true;
    }
  }
  return false;
}

bool GridRun::has_woken() const {
  if (device->idle != nullptr && idle_epoch != device->idle->epoch) return true;
  return std::ranges::any_of(asleep, [](const Cluster* cluster) { return would_wake(*cluster); });
}

std::vector<Cluster*> GridRun::wake() {
  const uint64_t now = device->idle == nullptr ? 0 : device->idle->epoch;
  const bool time_has_passed = std::exchange(idle_epoch, now) != now;
  std::vector<Cluster*> woken;
  std::erase_if(asleep, [&](Cluster* cluster) {
    if (!time_has_passed && !would_wake(*cluster)) return false;
    wake_up(*cluster);
    woken.push_back(cluster);
    return true;
  });
  return woken;
}

}  // namespace slipstream::emulator
