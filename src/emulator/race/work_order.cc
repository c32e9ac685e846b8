#include "emulator/race/work_order.h"

#include <utility>

namespace slipstream::emulator::race {
namespace {

// What is complete before a dependent of that kind starts.
void add_before_start(const Work& prerequisite, DependencyKind kind, TicketSet& known) {
  switch (kind) {
    case DependencyKind::kFull:
      known.insert(prerequisite.ticket);
      known.merge(prerequisite.at_end());
      return;
    case DependencyKind::kProgrammatic:
      // The release needs every CTA, so one that had waited when it triggered or exited is enough.
      known.merge(prerequisite.released_late ? prerequisite.after_wait : prerequisite.at_start);
      return;
    case DependencyKind::kBlockStart:
    case DependencyKind::kLaunchCompletion:
      known.merge(prerequisite.at_start);
      return;
  }
}

}  // namespace

Work& WorkOrder::submit(Ticket ticket, const std::vector<Dependency>& dependencies) {
  auto work = std::make_shared<Work>();
  work->ticket = ticket;
  work->at_start = host_knows_;
  for (const Dependency& dependency : dependencies) {
    // An item that is no longer here is known to the host to be complete.
    auto prerequisite = find(dependency.ticket);
    if (prerequisite == nullptr) continue;
    work->ancestors.insert(dependency.ticket);
    work->ancestors.merge(prerequisite->ancestors);
    work->links.push_back({std::move(prerequisite), dependency.kind});
  }
  return *works_.insert_or_assign(ticket, std::move(work)).first->second;
}

std::shared_ptr<Work> WorkOrder::find(Ticket ticket) const {
  const auto found = works_.find(ticket);
  return found == works_.end() ? nullptr : found->second;
}

void WorkOrder::start(Work& work) {
  if (std::exchange(work.started, true)) return;
  for (const Work::Link& link : work.links) add_before_start(*link.work, link.kind, work.at_start);
}

void WorkOrder::settle_wait(Work& work) {
  if (std::exchange(work.can_wait, true)) return;
  start(work);
  work.after_wait = work.at_start;
  for (const Work::Link& link : work.links) {
    if (link.kind == DependencyKind::kLaunchCompletion) continue;
    add_before_start(*link.work, DependencyKind::kFull, work.after_wait);
  }
}

void WorkOrder::complete(Work& work) {
  settle_wait(work);
  work.links.clear();  // otherwise a chain of launches would never be freed
}

void WorkOrder::host_waited(Ticket ticket) {
  const auto found = works_.find(ticket);
  if (found == works_.end()) return;
  host_knows_.insert(ticket);
  host_knows_.merge(found->second->at_end());
  std::erase_if(works_, [&](const auto& entry) {
    return entry.second->can_wait && entry.second->links.empty() &&
           host_knows_.contains(entry.first);
  });
}

}  // namespace slipstream::emulator::race
