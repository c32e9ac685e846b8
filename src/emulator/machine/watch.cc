#include "emulator/machine/watch.h"

#include <bit>

#include "emulator/machine/access.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/race_check.h"
#include "emulator/race/shared_detector.h"

namespace slipstream::emulator {
namespace {

using race::AccessKind;

race::Detector& detector_of(const Warp& warp) {
  return warp.cta->cluster->grid->device->races->detector();
}

race::SiteId site_of(const Warp& warp) { return warp.cta->cluster->grid->first_site + warp.pc; }

void synchronize(Warp& warp, const race::Site& site, uint64_t address) {
  race::Order& order = detector_of(warp).order();
  race::ClusterOrder& cluster = *order_of(warp);
  const uint32_t index = order_index(warp);
  const race::Scope scope = site.system ? race::Scope::kSystem : race::Scope::kDevice;
  if (site.kind != AccessKind::kWrite) {
    order.strong_read(cluster, index, address, site.acquires, scope);
  }
  if (site.kind != AccessKind::kRead) {
    order.strong_write(cluster, index, address, site.releases, site.kind == AccessKind::kAtomic,
                       scope);
  }
}

void synchronize_lanes(Warp& warp, const race::Site& site, uint32_t executing,
                       const uint64_t* addresses) {
  for (uint32_t rest = executing; rest != 0; rest &= rest - 1) {
    synchronize(warp, site, addresses[std::countr_zero(rest)]);
  }
}

// Lanes that follow each other in memory are one access; so are reads of the same bytes.
template <class Access>
void access_runs(uint32_t executing, const uint64_t* addresses, uint32_t bytes, bool may_repeat,
                 Access access) {
  uint32_t first = 0;
  uint32_t last = 0;
  uint32_t size = 0;
  for (uint32_t rest = executing; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    const bool has_run = size != 0;
    if (has_run && may_repeat && addresses[lane] == addresses[last]) continue;
    if (has_run && lane == last + 1 && addresses[lane] == addresses[last] + bytes) {
      size += bytes;
    } else {
      if (has_run) access(addresses[first], size, first);
      first = lane;
      size = bytes;
    }
    last = lane;
  }
  if (size != 0) access(addresses[first], size, first);
}

constexpr uint64_t kCacheLine = 64;

// Whether the first two lanes' bytes are in different cache lines of what is known of them.
bool lie_apart(uint32_t executing, const uint64_t* addresses) {
  const uint32_t rest = executing & (executing - 1);
  if (rest == 0) return false;
  const uint64_t difference =
      addresses[std::countr_zero(rest)] - addresses[std::countr_zero(executing)];
  return difference >= kCacheLine && difference <= -kCacheLine;
}

race::SharedDetector& shared_detector_of(const Warp& warp) {
  return *warp.cta->cluster->shared_races;
}

// All bytes of the access are by the lane it begins with.
constexpr uint32_t kOneLane = 1U << 31U;

// A strong access to a word of shared memory orders those who pass on what is written there.
void synchronize_shared(Warp& warp, const SharedPlace& place, const race::SharedAccess& access,
                        bool releases) {
  race::ClusterOrder& order = *order_of(warp);
  const uint64_t key = uint64_t{place.cta->rank} << 32U | place.offset;
  if (access.kind != AccessKind::kWrite) order.read_flag(access.actor, key);
  if (access.kind != AccessKind::kRead) {
    order.write_flag(access.actor, key, releases, access.kind == AccessKind::kAtomic);
  }
}

}  // namespace

void watch_operation(Warp& warp, const AccessTraits& traits) {
  race::Site& site = detector_of(warp).history().site(site_of(warp));
  site.kind = traits.kind;
  site.strong = traits.strong;
  site.system = traits.system;
  site.acquires = traits.acquires;
  site.releases = traits.releases;
  site.async_proxy = traits.async_proxy;
}

void watch_lanes(Warp& warp, uint32_t executing, const uint64_t* addresses, uint32_t bytes) {
  race::Detector& detector = detector_of(warp);
  race::Site& site = detector.history().site(site_of(warp));
  site.lane_bytes = bytes;
  detector.begin(*order_of(warp), order_index(warp), executing, site_of(warp));
  if (lie_apart(executing, addresses)) {
    for (uint32_t rest = executing; rest != 0; rest &= rest - 1) {
      detector.expect(addresses[std::countr_zero(rest)]);
    }
  }
  access_runs(executing, addresses, bytes, site.kind == AccessKind::kRead,
              [&](uint64_t address, uint32_t size, uint32_t lane) {
                detector.access(address, size, lane, bytes);
              });
  if (site.strong) synchronize_lanes(warp, site, executing, addresses);
}

void watch_row(Warp& warp, uint64_t address, uint32_t bytes) {
  race::Detector& detector = detector_of(warp);
  detector.history().site(site_of(warp)).lane_bytes = bytes;
  detector.begin(*order_of(warp), order_index(warp), kAllLanes, site_of(warp));
  for (uint32_t done = 0; done < kWarpSize * bytes; done += kCacheLine) {
    detector.expect(address + done);
  }
  detector.access(address, kWarpSize * bytes, 0, bytes);
}

void watch_lane(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes, AccessKind kind) {
  race::Detector& detector = detector_of(warp);
  race::Site& site = detector.history().site(site_of(warp));
  site.kind = kind;
  site.lane_bytes = std::bit_ceil(bytes);
  detector.begin(*order_of(warp), order_index(warp), 1U << lane, site_of(warp));
  detector.access(address, bytes, lane, site.lane_bytes);
  if (site.strong) synchronize(warp, site, address);
}

void watch_end(Warp& warp) { detector_of(warp).end(); }

// --- Shared memory.

void watch_shared_lanes(Warp& warp, uint32_t executing, const uint64_t* addresses, uint32_t bytes,
                        AccessKind kind) {
  race::SharedDetector& detector = shared_detector_of(warp);
  race::Site& site = detector_of(warp).history().site(site_of(warp));
  site.lane_bytes = bytes;
  const race::SharedAccess access{order_index(warp), site_of(warp), kind, site.strong};
  if (site.strong) {
    for (uint32_t rest = executing; rest != 0; rest &= rest - 1) {
      const auto offset = static_cast<uint32_t>(addresses[std::countr_zero(rest)] - kSharedBase);
      synchronize_shared(warp, {warp.cta, offset}, access, site.releases);
    }
  }
  detector.begin(access);
  access_runs(executing, addresses, bytes, kind == AccessKind::kRead,
              [&](uint64_t address, uint32_t size, uint32_t lane) {
                detector.access(warp.cta->rank, static_cast<uint32_t>(address - kSharedBase), size,
                                lane, bytes);
              });
}

void watch_shared(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes, AccessKind kind) {
  race::SharedDetector& detector = shared_detector_of(warp);
  race::Site& site = detector_of(warp).history().site(site_of(warp));
  site.lane_bytes = std::bit_ceil(bytes);
  const bool strong = site.strong || kind == AccessKind::kAtomic;
  const race::SharedAccess access{order_index(warp), site_of(warp), kind, strong};
  const SharedPlace place = resolve_shared(warp, lane, address, bytes, 1);
  if (strong) synchronize_shared(warp, place, access, site.releases);
  detector.begin(access);
  detector.access(place.cta->rank, place.offset, bytes, lane, kOneLane);
}

void watch_shared_end(Warp& warp) { shared_detector_of(warp).end(); }

void watch_start(Warp& warp, race::Background background, uint64_t key) {
  race::ClusterOrder& order = *order_of(warp);
  order.start(order_index(warp), order.background(background, key));
}

void watch_background(Warp& warp, race::Background background, uint64_t key, uint32_t lane,
                      uint64_t address, uint32_t bytes, AccessKind kind) {
  const race::Actor actor = order_of(warp)->background(background, key);
  const SharedPlace place = resolve_shared(warp, lane, address, bytes, 1);
  race::SharedDetector& detector = shared_detector_of(warp);
  detector.begin({actor, site_of(warp), kind, /*strong=*/kind == AccessKind::kAtomic});
  detector.access(place.cta->rank, place.offset, bytes, lane, kOneLane);
}

void watch_background_lanes(Warp& warp, race::Background background, uint64_t key,
                            uint32_t executing, const uint64_t* addresses, uint32_t bytes,
                            AccessKind kind) {
  race::SharedDetector& detector = shared_detector_of(warp);
  detector.begin({order_of(warp)->background(background, key), site_of(warp), kind,
                  /*strong=*/kind == AccessKind::kAtomic});
  access_runs(executing, addresses, bytes, kind == AccessKind::kRead,
              [&](uint64_t address, uint32_t size, uint32_t lane) {
                const SharedPlace place = resolve_shared(warp, lane, address, size, 1);
                detector.access(place.cta->rank, place.offset, size, lane, bytes);
              });
}

void watch_commit(Warp& warp, race::Background background, uint64_t key) {
  race::ClusterOrder& order = *order_of(warp);
  order.commit(order_index(warp), order.background(background, key));
}

void watch_group_wait(Warp& warp, race::Background background, uint64_t key, uint32_t pending) {
  race::ClusterOrder& order = *order_of(warp);
  order.wait_for(order_index(warp), order.background(background, key), pending);
}

uint64_t warpgroup_key(const Warp& warp) {
  return uint64_t{warp.cta->rank} << 32U | warp.index / kWarpsPerWarpgroup;
}

void watch_proxy_fence(Warp& warp) {
  detector_of(warp).order().fence_proxy(*order_of(warp), order_index(warp));
}

}  // namespace slipstream::emulator
