// Which instructions a thread can reach before it is ordered after the grid's dependencies.
//
// A thread is ordered once it has executed the wait itself, or has passed a barrier at which a
// thread arrives that was ordered already. The kernel is run abstractly by each kind of thread, in
// two copies: the code before and the code after that point.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "check/analysis/evaluate.h"
#include "check/analysis/live_slots.h"
#include "check/analysis/mbarriers.h"
#include "check/lower/control_flow.h"
#include "check/lower/ir.h"

namespace slipstream::check {

class Explorer;

// One conditional branch on the way to a finding.
struct Decision {
  uint32_t instruction = 0;
  bool taken = false;
};

struct Ordering {
  std::vector<Thread> roles;
  std::vector<RoleSet> before;  // by instruction: roles that can reach it unordered
  std::vector<RoleSet> after;   // and ordered
  std::vector<RoleSet> orders;  // roles that it orders where they come unordered
  std::vector<RoleSet> enter;   // by block: roles that can come to its start unordered
  bool has_wait = false;
  uint32_t mbarrier_orders = 0;  // how many mbarrier waits were taken to order their threads

  [[nodiscard]] bool reachable_before(uint32_t instruction) const {
    return before[instruction].any();
  }
  // "every thread", "warps 1 to 7", "lanes other than lane 0".
  [[nodiscard]] std::string describe(const RoleSet& threads) const;
};

class OrderingAnalysis {
 public:
  // `block_threads` is the size of the launch, or 0 if it is not known.
  OrderingAnalysis(const Function& function, const ControlFlow& flow, uint32_t block_threads);

  Ordering run();
  ~OrderingAnalysis();
  // The branches on one way to `instruction` by a thread that is not ordered yet. After run().
  [[nodiscard]] std::vector<Decision> path_to(uint32_t instruction, const Ordering& ordering) const;

 private:
  void choose_threads(Ordering& ordering);
  [[nodiscard]] uint32_t block_size() const;
  [[nodiscard]] bool tells_ranks_apart(size_t shapes) const;
  void add_block(uint32_t threads_in_x, int32_t rank, Ordering& ordering);
  void explore(const RoleSet& run, Ordering& ordering) const;
  [[nodiscard]] RoleSet order_at_barriers(const Ordering& ordering, const RoleSet& block,
                                          const RoleSet& cluster);
  [[nodiscard]] bool orders_block(uint32_t barrier, const Ordering& ordering,
                                  const RoleSet& block) const;
  [[nodiscard]] bool orders_from_elsewhere(uint32_t barrier, const Ordering& ordering,
                                           const RoleSet& block) const;
  [[nodiscard]] bool orders_by_arrivals(uint32_t wait, const Ordering& ordering,
                                        const RoleSet& arriving) const;
  [[nodiscard]] RoleSet ordered_by_warps(uint32_t barrier, const Ordering& ordering) const;

  const Function& function_;
  const ControlFlow& flow_;
  uint32_t block_threads_;
  Slice slice_;
  LiveSlots live_;
  Mbarriers mbarriers_;
  // Roles that are of one block. There are two blocks where its shape matters and is not known, and two
  // where it matters which one of its cluster a block is.
  std::vector<RoleSet> blocks_;
  std::vector<RoleSet> clusters_;   // by block: those of its cluster
  std::vector<RoleSet> warps_;      // by role: those of its block and warp
  std::vector<uint32_t> meetings_;  // instructions at which threads may be ordered by each other
  // By instruction: roles that it orders, whatever they did before.
  std::vector<RoleSet> orders_;
  // What path_to() asked last, and for which role: most instructions are reached by the same.
  mutable std::unique_ptr<Explorer> explorer_;
  mutable size_t explored_role_ = 0;
};

}  // namespace slipstream::check
