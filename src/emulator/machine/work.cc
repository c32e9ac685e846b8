#include "emulator/machine/work.h"

#include <algorithm>
#include <utility>

#include "emulator/machine/overlay.h"

namespace slipstream::emulator {

void WorkQueue::add(Ticket ticket, WorkItem item) {
  // Dependencies on complete work are fulfilled, and searching them would only cost time.
  std::erase_if(item.dependencies,
                [&](const Dependency& dependency) { return !contains(dependency.ticket); });
  item.incomplete = item.dependencies.size();
  for (const Dependency& dependency : item.dependencies) {
    items_.at(dependency.ticket).dependents.push_back(ticket);
  }
  if (item.incomplete == 0) ready_.insert(ticket);
  news_.insert(ticket);
  ++counts_[item.device];
  items_.emplace(ticket, std::move(item));
}

void WorkQueue::complete(Ticket ticket) {
  const auto item = items_.find(ticket);
  for (const Ticket dependent : item->second.dependents) {
    const auto waiting = items_.find(dependent);
    if (waiting == items_.end()) continue;
    if (--waiting->second.incomplete == 0) ready_.insert(dependent);
    news_.insert(dependent);
  }
  --counts_[item->second.device];
  ready_.erase(ticket);
  news_.erase(ticket);
  items_.erase(item);
}

void WorkQueue::drop(uint32_t device) {
  std::vector<Ticket> dropped;
  for (const auto& [ticket, item] : items_) {
    if (item.device == device) dropped.push_back(ticket);
  }
  for (const Ticket ticket : dropped) complete(ticket);
}

bool WorkQueue::awaits(const WorkItem& item) const {
  return std::ranges::any_of(item.dependencies, [&](const Dependency& dependency) {
    return dependency.kind != DependencyKind::kLaunchCompletion && contains(dependency.ticket);
  });
}

void WorkQueue::tell_dependents(Ticket ticket) {
  for (const Ticket dependent : items_.at(ticket).dependents) {
    if (contains(dependent)) news_.insert(dependent);
  }
}

}  // namespace slipstream::emulator
