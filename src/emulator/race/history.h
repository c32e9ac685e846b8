// Which thread did what: short numbers for accesses, that shadow memory can hold.
//
// A site is an instruction of a program, or a kind of host operation. A segment is what a warp does
// between two points where others may learn of it. An access is a site in a segment: however often
// a loop runs through it, it is one number. Numbers count up; those below a floor are forgotten,
// because everything that still comes is ordered after them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "emulator/race/clock_forest.h"
#include "emulator/race/ticket_set.h"

namespace slipstream::emulator::race {

using SiteId = uint32_t;
using SegmentId = uint32_t;  // 0 is none
using AccessId = uint32_t;   // 0 is none

enum class AccessKind : uint8_t { kRead, kWrite, kAtomic };

struct Site {
  const void* program = nullptr;  // null: a host operation
  uint32_t pc = 0;
  AccessKind kind = AccessKind::kRead;
  bool strong = false;  // relaxed, volatile, acquire, release or atomic beyond the cluster
  bool system = false;  // strong at system scope, which other devices take part in
  bool acquires = false;
  bool releases = false;
  bool async_proxy = false;  // a bulk copy
  uint32_t lane_bytes = 4;   // of one lane
};

struct Segment {
  ClusterId cluster = 0;
  uint32_t warp = 0;  // in the cluster
  uint32_t time = 0;
  uint32_t waited_lanes = 0;
};

struct ClusterInfo {
  Ticket ticket = 0;
  uint64_t index = 0;  // in the grid
  uint32_t warps_per_cta = 1;
  uint32_t device = 0;
};

// Numbers that count up from 1, with those at the front forgotten.
template <class T>
class Log {
 public:
  uint32_t add(const T& entry) {
    entries_.push_back(entry);
    return first_ + static_cast<uint32_t>(entries_.size()) - 1;
  }
  const T& operator[](uint32_t number) const { return entries_[number - first_]; }
  [[nodiscard]] uint32_t begin() const { return first_; }
  [[nodiscard]] uint32_t end() const { return first_ + static_cast<uint32_t>(entries_.size()); }
  void forget_all() { forget_below(end()); }
  void forget_below(uint32_t number) {
    if (number <= first_) return;
    entries_.erase(entries_.begin(), entries_.begin() + (number - first_));
    first_ = number;
  }
  void restart() {
    first_ = 1;
    entries_.clear();
  }

 private:
  std::deque<T> entries_;
  uint32_t first_ = 1;
};

class History {
 public:
  // Sites stay for good.
  SiteId add_sites(const void* program, uint32_t count);
  Site& site(SiteId id) { return sites_[id]; }
  [[nodiscard]] const Site& site(SiteId id) const { return sites_[id]; }

  ClusterId add_cluster(const ClusterInfo& info) { return clusters_.add(info); }
  SegmentId add_segment(const Segment& segment) { return segments_.add(segment); }
  AccessId access(SiteId site, SegmentId segment);

  struct Access {
    SegmentId segment = 0;
    SiteId site = 0;
  };
  [[nodiscard]] const Access& operator[](AccessId id) const { return accesses_[id]; }
  [[nodiscard]] const Segment& segment(SegmentId id) const { return segments_[id]; }
  [[nodiscard]] const ClusterInfo& cluster(ClusterId id) const { return clusters_[id]; }

  // Accesses below are forgotten.
  [[nodiscard]] AccessId floor() const { return accesses_.begin(); }
  [[nodiscard]] AccessId end() const { return accesses_.end(); }
  [[nodiscard]] uint32_t size() const { return end() - floor(); }
  // Forgets the oldest accesses, as long as they are by work that `known` contains; those below `first_unknown` are.
  void forget_known(const TicketSet& known, AccessId first_unknown);
  void forget_accesses();
  // Access numbers start again: nothing may hold one any more.
  void restart_accesses();

 private:
  struct Cached {
    SiteId site = 0;
    SegmentId segment = 0;
    AccessId access = 0;
  };
  static constexpr size_t kCacheSize = 4096;

  [[nodiscard]] Ticket ticket_of(const Access& access) const {
    return clusters_[segments_[access.segment].cluster].ticket;
  }

  std::vector<Site> sites_ = std::vector<Site>(1);
  Log<ClusterInfo> clusters_;
  Log<Segment> segments_;
  Log<Access> accesses_;
  std::array<Cached, kCacheSize> cache_{};
};

}  // namespace slipstream::emulator::race
