// The order between the threads of one cluster, and what they know of the rest.
//
// The unit is the warp: its lanes count as one thread, except that each lane has waited for
// prerequisite grids or not. The time of a warp advances when others may have learned what it did;
// for every warp of the cluster it knows the time up to which it is ordered after that warp.
//
// What a warp starts and what goes on without it (an asynchronous copy, a product of matrices) is an
// actor of its own, with a number after those of the warps and a time like theirs. It is ordered
// after what its warp had done; a warp is ordered after it once it has waited for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/race/clock_forest.h"
#include "emulator/race/history.h"
#include "emulator/race/work_order.h"

namespace slipstream::emulator::race {

// By number: the warps of the cluster, then what goes on without them.
using Actor = uint32_t;

enum class Background : uint8_t {
  kLaneCopies,  // cp.async of a warp
  kBulkStores,  // bulk copies out of shared memory, of a warp
  kProducts,    // wgmma, of a warpgroup
  kCounted,     // copies that an mbarrier counts
};

class ClusterOrder {
 public:
  ClusterOrder(ClockForest& clocks, History& history, uint32_t ctas, uint32_t warps_per_cta);
  // From now on it is that of a cluster which starts.
  void start(std::shared_ptr<Work> work, uint64_t index, ClockId start_clock);

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
  // Barriers no longer wait for the lanes, and whoever leaves one comes after what they did.
  void exit(uint32_t warp, uint32_t lanes);
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

  // --- Shared memory: what a strong write there tells is what its warp had fenced at block scope
  // or beyond, or if it releases, everything. `key` is the CTA's rank and the address.

  void fence_block(uint32_t warp);
  void write_flag(uint32_t warp, uint64_t key, bool releases, bool is_atomic);
  void read_flag(uint32_t warp, uint64_t key);

  // --- What goes on without a warp.

  // The one of that kind for a warp, a warpgroup or an mbarrier.
  Actor background(Background kind, uint64_t key);
  // What the actor does from now on comes after what the warp has done.
  void start(uint32_t warp, Actor actor);
  // Groups: a wait leaves the `pending` youngest out.
  void commit(uint32_t warp, Actor actor);
  void wait_for(uint32_t warp, Actor actor, uint32_t pending);
  // Whoever waits for the phase is ordered after what the actor has done.
  void count_on_mbarrier(Actor actor, uint64_t key, bool parity);

  [[nodiscard]] bool is_background(Actor actor) const { return actor >= warp_count_; }
  [[nodiscard]] Background kind_of(Actor actor) const { return started_[actor - warp_count_].kind; }
  // The warp itself, or the one that last started the actor.
  [[nodiscard]] uint32_t warp_of(Actor actor) const {
    return is_background(actor) ? started_[actor - warp_count_].warp : actor;
  }

  // --- Questions.

  // The actor does something in shared memory now; at what time.
  uint32_t act(Actor actor) {
    warps_[actor].has_acted = true;
    return warps_[actor].time;
  }
  [[nodiscard]] bool knows(Actor actor, Actor other, uint32_t time) const {
    const std::vector<uint32_t>& known = warps_[actor].known;
    return other < known.size() && known[other] >= time;
  }
  SegmentId segment(uint32_t warp);
  // Whether the lane is ordered after that segment.
  bool is_behind(uint32_t warp, uint32_t lane, const Segment& earlier);
  // Whether all of the lanes know the item to be complete.
  bool know_complete(uint32_t warp, uint32_t lanes, Ticket ticket);
  [[nodiscard]] bool has_fenced_proxy(uint32_t warp) const { return warps_[warp].fenced_proxy; }
  [[nodiscard]] uint32_t waited_lanes(uint32_t warp) const { return warps_[warp].waited_lanes; }

 private:
  using Times = std::vector<uint32_t>;  // by actor; 0 for those beyond its end

  struct WarpOrder {
    uint32_t time = 1;
    bool has_acted = false;                          // in shared memory, since its time advanced
    Times known;                                     // of each actor
    Times fenced_block;                              // known at the last fence
    std::map<Actor, std::vector<uint32_t>> commits;  // times of what goes on without it
    SegmentId segment = 0;  // 0: has accessed nothing since its time advanced
    uint32_t waited_lanes = 0;
    ClockId remote = 0;         // knowledge of other clusters
    ClockId observed = 0;       // seen by relaxed reads: counts after the next fence
    ClockId last_observed = 0;  // the last clock that was joined into `observed`,
    ClockId last_acquired = 0;  // or by an acquire
    ClockId last_fenced = 0;    // or a fence into `remote`
    Clocks fenced{};            // known at the last fence
    bool fenced_proxy = false;  // since it last learned of others

    void restart(ClockId start_clock);
  };
  // What the lanes that arrived at a barrier knew.
  struct Gathered {
    Times times;
    Times fenced_block;
    ClockId remote = 0;
    Clocks fenced{};
    bool waited = false;
  };
  using Phases = std::array<Gathered, 2>;  // by parity

  struct Started {
    Background kind = Background::kLaneCopies;
    uint32_t warp = 0;
  };

  // What the warp knows of the warps, for those who know nothing of what goes on without them.
  std::span<const uint32_t> known_of_warps(uint32_t warp) const {
    return std::span(warps_[warp].known).first(warp_count_);
  }
  uint32_t close_segment(uint32_t warp);
  void gather(uint32_t warp, uint32_t lanes, Gathered& into);
  void learn(uint32_t warp, uint32_t lanes, const Gathered& from);
  ClockId snapshot(uint32_t warp);
  void set_waited(uint32_t warp, uint32_t lanes);
  Gathered& barrier(uint32_t warp, uint32_t index);

  std::shared_ptr<Work> work_;
  ClockForest& clocks_;
  History& history_;
  ClusterId id_ = 0;
  uint32_t warps_per_cta_;
  uint32_t warp_count_;
  std::vector<WarpOrder> warps_;  // all actors
  std::vector<Started> started_;  // of those after the warps
  std::map<std::pair<Background, uint64_t>, Actor> background_;
  // The one that was asked for last.
  std::pair<std::pair<Background, uint64_t>, Actor> last_background_{{{}, ~uint64_t{0}}, 0};
  std::unordered_map<uint64_t, Times> flags_;
  std::vector<bool> triggered_;  // by CTA
  std::unordered_map<uint32_t, Gathered> barriers_;
  std::unordered_map<uint32_t, Gathered> exited_;  // by CTA
  Phases cluster_barrier_;
  std::unordered_map<uint64_t, Phases> mbarriers_;
};

}  // namespace slipstream::emulator::race
