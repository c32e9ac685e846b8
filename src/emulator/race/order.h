// The happens-before order of everything that a device does: the class that all others ask.
//
// It is told what threads, grids and the host do, in any order that a device may do it in, and says
// whether one access is ordered after another by what CUDA and PTX promise.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "emulator/race/clock_forest.h"
#include "emulator/race/cluster_order.h"
#include "emulator/race/history.h"
#include "emulator/race/work_order.h"

namespace slipstream::emulator::race {

class Order {
 public:
  // --- Work items.

  void submit(Ticket ticket, const std::vector<Dependency>& dependencies,
              uint64_t memory_domain = 0, uint32_t device = 0);
  // The item starts: all it depends on has come as far as it must.
  void start(Ticket ticket);
  void complete(Ticket ticket);
  // The host has seen the item complete. Returns whether everything that has touched memory so far
  // is now ordered before whatever comes.
  bool host_waited(Ticket ticket);
  // A host query may take the item as complete only if the host knows it.
  [[nodiscard]] bool host_knows(Ticket ticket) const { return works_.host_knows(ticket); }
  // Whether the host knows everything that has touched memory to be complete.
  [[nodiscard]] bool host_knows_all() const { return unseen_.empty(); }
  // Whether waiting for `later` is also waiting for `earlier`.
  [[nodiscard]] bool implies(Ticket later, Ticket earlier) const;
  // Whether dependencies of any kind lead from `later` back to `earlier`.
  [[nodiscard]] bool is_ancestor(Ticket earlier, Ticket later) const;

  // --- Threads.

  // Clusters of a grid, or with one warp of one CTA the copy or fill that an item is.
  std::unique_ptr<ClusterOrder> start_cluster(Ticket ticket, uint64_t index, uint32_t ctas,
                                              uint32_t warps_per_cta);
  // The same, with the memory of one of that shape which has ended.
  void start_cluster(ClusterOrder& cluster, Ticket ticket, uint64_t index);
  // Strong accesses to global memory synchronize: an atomic is a read and then a write. Between
  // devices both sides need system scope.
  void strong_read(ClusterOrder& cluster, uint32_t warp, uint64_t address, bool acquires,
                   Scope scope = Scope::kDevice);
  void strong_write(ClusterOrder& cluster, uint32_t warp, uint64_t address, bool releases,
                    bool is_atomic, Scope scope = Scope::kDevice);

  // fence.proxy.async, and whether an asynchronous access still needs one to see what an earlier
  // segment wrote, although it is ordered after that segment.
  void fence_proxy(ClusterOrder& cluster, uint32_t warp);
  [[nodiscard]] bool needs_proxy_fence(const ClusterOrder& cluster, uint32_t warp,
                                       const Segment& earlier) const;

  // --- What has happened.

  History& history() { return history_; }
  [[nodiscard]] const History& history() const { return history_; }

 private:
  // What the value at an address tells, by the scope of who reads it.
  struct Published {
    uint32_t device = 0;  // that wrote it: what the other scope tells, it tells nobody else
    Clocks clocks{};
  };

  ClockId start_clock(const Work& work);
  static ClockId visible(const Published& published, uint32_t device, Scope scope);

  WorkOrder works_;
  ClockForest clocks_;
  History history_;
  std::unordered_map<uint64_t, Published> published_;  // by address, through strong writes
  // What proxy fences cover, by cluster, for each of its warps.
  std::unordered_map<ClusterId, std::vector<uint32_t>> proxy_fenced_;
  std::unordered_set<Ticket> unseen_;  // have touched memory; the host does not know them complete
};

}  // namespace slipstream::emulator::race
