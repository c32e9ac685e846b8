// Finds accesses to the shared memory of one cluster that conflict and that nothing orders.
//
// The machine reports accesses through begin(), access() and end(), as to Detector. Two lanes of one warp never
// conflict here; what a warp has started and what goes on without it is an actor of its own (see cluster_order.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "emulator/race/cluster_order.h"
#include "emulator/race/conflict.h"
#include "emulator/race/history.h"
#include "emulator/race/shared_shadow.h"

namespace slipstream::emulator::race {

// How an instruction accesses shared memory.
struct SharedAccess {
  Actor actor = 0;
  SiteId site = 0;
  AccessKind kind = AccessKind::kRead;
  bool strong = false;
};

class SharedDetector {
 public:
  using Report = std::function<void(const Conflict&)>;

  // `memory`: the shared memory of each CTA of the cluster, `bytes` each. Sites of its program count from
  // `first_site` on.
  SharedDetector(const History& history, SiteId first_site, std::vector<const std::byte*> memory,
                 uint32_t bytes, Report report);

  // Another cluster, of the same grid, has the memory now.
  void start(ClusterOrder& order, uint64_t index);

  void begin(const SharedAccess& access);
  // `bytes` at `offset` of a CTA's memory, by lanes that count up from `lane`, `lane_bytes` each.
  void access(uint32_t cta, uint32_t offset, uint32_t bytes, uint32_t lane, uint32_t lane_bytes);
  // The stores are done.
  void end() {
    if (!held_back_.empty()) judge_stores();
  }

 private:
  struct Held {
    Conflict conflict;
    std::array<std::byte, SharedShadow::kWordBytes> before{};
  };
  struct Place {
    uint32_t cta = 0;
    uint32_t offset = 0;
    uint32_t bytes = 0;
  };

  // The moments that were last found to be ordered before this access, where the last write was, and a read.
  struct Ordered {
    Mark write = 0;
    Mark read = 0;
  };

  void visit(SharedWord& word, Mark mine, Ordered& ordered, const Place& place);
  void visit_bytes(SharedShadow& shadow, SharedWord& word, Mark mine, const Place& place);
  void note_read(SharedWord& word, Mark mine, Ordered& ordered) const {
    auto& [first, second] = word.reads;
    // Reads that this one is ordered after need not be remembered.
    const bool takes_first = actor_of(first) == now_.actor ||
                             (actor_of(second) != now_.actor && is_ordered(first, ordered.read));
    (takes_first ? first : second) = mine;
  }
  // `known`: as in Ordered.
  [[nodiscard]] bool is_ordered(Mark mark, Mark& known) const {
    if (mark == 0 || (mark & kMomentMask) == known || actor_of(mark) == now_.actor) return true;
    if (!order_->knows(now_.actor, actor_of(mark), time_of(mark))) return false;
    known = mark & kMomentMask;
    return true;
  }
  void check(Mark earlier, Mark& known, bool is_write, Mark mine, const Place& place) {
    if (is_ordered(earlier, known) || (earlier & mine & kStrongMark) != 0) return;
    report(earlier, is_write, mine, place);
  }
  void report(Mark earlier, bool is_write, Mark mine, const Place& place);
  [[nodiscard]] Accessor describe(Mark mark, AccessKind kind) const;
  [[nodiscard]] Missing missing_after(Mark earlier, const Accessor& first,
                                      const Accessor& second) const;
  void judge_stores();

  const History& history_;
  SiteId first_site_;
  std::vector<const std::byte*> memory_;
  Report report_;
  std::vector<SharedShadow> shadows_;
  ClusterOrder* order_ = nullptr;
  uint64_t index_ = 0;  // of the cluster in the grid
  std::vector<Held> held_back_;

  // The access that is reported.
  SharedAccess now_;
  Mark mark_ = 0;  // by lane 0
  bool is_void_ = false;
};

}  // namespace slipstream::emulator::race
