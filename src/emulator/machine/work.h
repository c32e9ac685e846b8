// Submitted work, and what a runner needs to execute it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "emulator/machine/grid_run.h"
#include "emulator/machine/launch.h"

namespace slipstream::emulator {

struct WorkItem {
  std::unique_ptr<GridRun> grid;    // null for a host operation
  std::function<void()> operation;  // the host operation
  std::vector<Dependency> dependencies;
  uint32_t device = 0;

  // Kept by the queue.
  size_t incomplete = 0;           // dependencies that are not complete
  std::vector<Ticket> dependents;  // items that depend on this one
};

// Work of all devices that is not complete, by ticket. Dependencies on tickets that are not here are
// fulfilled.
class WorkQueue {
 public:
  explicit WorkQueue(uint32_t devices) : counts_(devices) {}

  void add(Ticket ticket, WorkItem item);
  // The item is complete: it leaves, and its dependents have one dependency less.
  void complete(Ticket ticket);
  // Forgets all work of a device: whatever depends on it goes on without.
  void drop(uint32_t device);

  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] bool empty(uint32_t device) const { return counts_[device] == 0; }
  [[nodiscard]] bool contains(Ticket ticket) const { return items_.contains(ticket); }
  WorkItem& at(Ticket ticket) { return items_.at(ticket); }
  [[nodiscard]] const WorkItem& at(Ticket ticket) const { return items_.at(ticket); }
  template <class Function>
  void for_each(Function function) const {
    for (const auto& [ticket, item] : items_) function(item);
  }
  // Whether griddepcontrol.wait in the item still waits.
  [[nodiscard]] bool awaits(const WorkItem& item) const;
  // Items that depend on nothing any more.
  [[nodiscard]] const std::set<Ticket>& ready() const { return ready_; }

  // Items whose dependencies may have got further since they were last taken from here.
  std::set<Ticket>& news() { return news_; }
  void tell_dependents(Ticket ticket);

 private:
  std::map<Ticket, WorkItem> items_;
  std::set<Ticket> ready_;
  std::set<Ticket> news_;
  std::vector<size_t> counts_;  // by device
};

// Runs the host operation of that ticket; the fault if it throws.
std::optional<Fault> run_host_operation(Ticket ticket, const std::function<void()>& operation,
                                        DeviceContext& device);

}  // namespace slipstream::emulator
