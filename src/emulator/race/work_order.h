// What streams, graphs, events, griddepcontrol and the host promise about the order of whole work
// items: grids, copies, fills.
//
// An item knows others to be complete, with all their writes visible: some from its start, more
// after a griddepcontrol.wait, and its completion passes what it knew to those that wait for it.
// None of this depends on when anything ran.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/race/ticket_set.h"

namespace slipstream::emulator::race {

enum class DependencyKind : uint8_t {
  kFull,              // completed, and its writes visible
  kProgrammatic,      // every CTA has triggered or exited
  kBlockStart,        // every CTA has started
  kLaunchCompletion,  // the same, and a wait in the dependent is not for its completion
};

struct Dependency {
  Ticket ticket = 0;
  DependencyKind kind = DependencyKind::kFull;
};

// An index into a ClockForest; 0 is the clock that knows nothing.
using ClockId = uint32_t;

// How far a fence or a release reaches beyond its cluster.
enum class Scope : uint8_t { kDevice, kSystem };
inline constexpr size_t kScopes = 2;
using Clocks = std::array<ClockId, kScopes>;  // by scope

struct Work {
  struct Link {
    std::shared_ptr<Work> work;
    DependencyKind kind = DependencyKind::kFull;
  };

  Ticket ticket = 0;
  std::vector<Link> links;  // until it is complete
  // What is complete, with writes visible, for threads that have not waited, and for those that
  // have.
  TicketSet at_start;
  TicketSet after_wait;
  TicketSet ancestors;         // everything that dependencies of any kind lead to
  bool started = false;        // at_start is final
  bool can_wait = false;       // after_wait is final
  bool waited = false;         // some thread has executed griddepcontrol.wait
  bool released_late = false;  // some CTA triggered or exited after its wait
  // What CTAs handed over by a fence before their first trigger, by the fence's scope. A fence at
  // gpu scope reaches no launch of another memory synchronization domain.
  Clocks published;
  uint64_t memory_domain = 0;
  uint32_t device = 0;

  // What its completion tells.
  [[nodiscard]] const TicketSet& at_end() const { return waited ? after_wait : at_start; }
};

class WorkOrder {
 public:
  // An item that the host submits, ordered after everything that the host has waited for.
  Work& submit(Ticket ticket, const std::vector<Dependency>& dependencies);
  // Null for an item that is complete and that the host has waited for.
  [[nodiscard]] std::shared_ptr<Work> find(Ticket ticket) const;

  // Its dependencies allow the item to start: what it knows from its start is settled.
  static void start(Work& work);
  // Its prerequisites are complete: what its threads know after a wait is settled.
  static void settle_wait(Work& work);
  static void complete(Work& work);

  // The host has seen the item complete.
  void host_waited(Ticket ticket);
  [[nodiscard]] bool host_knows(Ticket ticket) const { return host_knows_.contains(ticket); }

 private:
  std::unordered_map<Ticket, std::shared_ptr<Work>> works_;
  TicketSet host_knows_;
};

}  // namespace slipstream::emulator::race
