// The order between the threads of one cluster, and what they know of the rest.
//
// The unit is the warp: its lanes count as one thread, except that each lane has waited for
// prerequisite grids or not. The time of a warp advances when others may have learned what it did;
// for every warp of the cluster it knows the time up to which it is ordered after that warp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "emulator/race/clock_graph.h"
#include "emulator/race/history.h"
#include "emulator/race/work_order.h"

namespace slipstream::emulator::race {

class ClusterOrder {
 public:
  ClusterOrder(std::shared_ptr<Work> work, ClockGraph& clocks, History& history, uint64_t index,
               uint32_t ctas, uint32_t warps_per_cta, ClockId start_clock);

  [[nodiscard]] ClusterId id() const { return id_; }
  [[nodiscard]] Ticket ticket() const { return work_->ticket; }
  [[nodiscard]] const Work& work() const { return *work_; }
  [[nodiscard]] uint32_t warps_per_cta() const { return warps_per_cta_; }

  // --- What threads do. `warp` counts over the cluster.

  void wait_for_grids(uint32_t warp, uint32_t lanes);
  void trigger(uint32_t warp, uint32_t lanes);
  void exit_cta(uint32_t cta);
  // bar.warp.sync: what one lane of `members` has waited for counts for all of them.
  void synchronize_lanes(uint32_t warp, uint32_t members);

  // Named barriers of a CTA. Lanes arrive; when the barrier completes, the lanes that wait leave
  // it.
  void arrive(uint32_t warp, uint32_t lanes, uint32_t barrier);
  void leave(uint32_t warp, uint32_t lanes, uint32_t barrier);
  void reset(uint32_t cta, uint32_t barrier);
  // barrier.cluster, by the parity of its phase.
  void arrive_cluster(uint32_t warp, uint32_t lanes, uint32_t parity);
  void leave_cluster(uint32_t warp, uint32_t lanes, uint32_t parity);
  void reset_cluster(uint32_t parity);
  // mbarriers: `key` is the CTA's rank and the shared address.
  void arrive_mbarrier(uint32_t warp, uint32_t lane, uint64_t key, bool parity);
  void leave_mbarrier(uint32_t warp, uint32_t lanes, uint64_t key, bool parity);
  void reset_mbarrier(uint64_t key, bool parity);

  // Fences, and what synchronizes through global memory.
  void fence(uint32_t warp, Scope scope, bool acquires, bool releases);
  // fence.proxy.async: returns what the warp knew of each warp of the cluster.
  std::span<const uint32_t> fence_proxy(uint32_t warp);
  // What a strong write publishes; a release publishes all, any other what was fenced before it.
  // By the scope of who reads it.
  Clocks published(uint32_t warp, bool releases);
  // A strong read has seen what was published with that clock.
  void observe(uint32_t warp, ClockId clock, bool acquires);

  // --- Questions.

  SegmentId segment(uint32_t warp);
  // Whether the lane is ordered after that segment.
  bool is_behind(uint32_t warp, uint32_t lane, const Segment& earlier);
  // Whether all of the lanes know the item to be complete.
  bool know_complete(uint32_t warp, uint32_t lanes, Ticket ticket);
  [[nodiscard]] bool has_fenced_proxy(uint32_t warp) const { return warps_[warp].fenced_proxy; }
  [[nodiscard]] uint32_t waited_lanes(uint32_t warp) const { return warps_[warp].waited_lanes; }

 private:
  struct WarpOrder {
    uint32_t time = 1;
    SegmentId segment = 0;  // 0: has accessed nothing since its time advanced
    uint32_t waited_lanes = 0;
    ClockId remote = 0;         // knowledge of other clusters
    ClockId observed = 0;       // seen by relaxed reads: counts after the next fence
    Clocks fenced{};            // known at the last fence
    bool fenced_proxy = false;  // since it last learned of others
  };
  // What the lanes that arrived at a barrier knew.
  struct Gathered {
    std::vector<uint32_t> times;
    ClockId remote = 0;
    Clocks fenced{};
    bool waited = false;
  };
  using Phases = std::array<Gathered, 2>;  // by parity

  std::span<uint32_t> known(uint32_t warp) {
    return std::span(known_).subspan(size_t{warp} * warps_.size(), warps_.size());
  }
  uint32_t close_segment(uint32_t warp);
  void gather(uint32_t warp, uint32_t lanes, Gathered& into);
  void learn(uint32_t warp, uint32_t lanes, const Gathered& from);
  ClockId snapshot(uint32_t warp);
  void set_waited(uint32_t warp, uint32_t lanes);
  Gathered& barrier(uint32_t warp, uint32_t index);

  std::shared_ptr<Work> work_;
  ClockGraph& clocks_;
  History& history_;
  ClusterId id_ = 0;
  uint32_t warps_per_cta_;
  std::vector<WarpOrder> warps_;
  std::vector<uint32_t> known_;  // of each warp, for each warp
  std::vector<bool> triggered_;  // by CTA
  std::unordered_map<uint32_t, Gathered> barriers_;
  Phases cluster_barrier_;
  std::unordered_map<uint64_t, Phases> mbarriers_;
};

}  // namespace slipstream::emulator::race
