#include "emulator/machine/race_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <utility>

#include "emulator/machine/global_memory.h"
#include "emulator/machine/grid_shape.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {
namespace {

using race::AccessKind;
using race::Conflict;
using race::ConflictClass;
using race::ConflictKind;
using race::Missing;

race::Dependency race_dependency(const Dependency& dependency) {
  switch (dependency.kind) {
    case DependencyKind::kProgrammatic:
      return {dependency.ticket, race::DependencyKind::kProgrammatic};
    case DependencyKind::kBlockStart:
      return {dependency.ticket, race::DependencyKind::kBlockStart};
    case DependencyKind::kLaunchCompletion:
      return {dependency.ticket, race::DependencyKind::kLaunchCompletion};
    case DependencyKind::kFull:
      break;
  }
  return {dependency.ticket, race::DependencyKind::kFull};
}

// nvcc marks wide loads of which it uses only some bytes.
uint64_t used_bytes_mask(const Program& program, uint32_t pc) {
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  constexpr std::string_view kMarker = "used_bytes_mask ";
  const ptx::Instruction* const instruction = program.sources[pc];
  if (instruction == nullptr) return kAll;
  const ptx::Function& function = *program.functions_by_pc[pc]->source;
  const auto index = static_cast<uint32_t>(instruction - function.instructions.data());
  for (const ptx::Pragma& pragma : function.pragmas) {
    const size_t at = pragma.text.find(kMarker);
    if (pragma.instruction != index || at == std::string_view::npos) continue;
    std::string_view digits = pragma.text.substr(at + kMarker.size());
    const int base = digits.starts_with("0x") ? 16 : 10;
    if (base == 16) digits.remove_prefix(2);
    uint64_t mask = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), mask, base);
    if (read.ec == std::errc()) return mask;
  }
  return kAll;
}

std::vector<SourceLine> lines_of(const ptx::Module& module, const ptx::Instruction& instruction) {
  std::vector<SourceLine> lines;
  for (uint32_t index = instruction.location; index != 0;
       index = module.locations[index].inlined_at) {
    const ptx::Location& location = module.locations[index];
    const auto file = module.files.find(location.file);
    lines.push_back({file == module.files.end() ? "?" : std::string(file->second), location.line,
                     location.column});
  }
  return lines;
}

const char* name_of(ConflictKind kind) {
  switch (kind) {
    case ConflictKind::kReadAfterWrite:
      return "read-after-write";
    case ConflictKind::kWriteAfterRead:
      return "write-after-read";
    case ConflictKind::kWriteAfterWrite:
      return "write-after-write";
  }
  return "";
}

const char* name_of(ConflictClass special) {
  switch (special) {
    case ConflictClass::kRace:
      return "race";
    case ConflictClass::kAtomic:
      return "atomic";
    case ConflictClass::kTransitive:
      return "transitive";
    case ConflictClass::kProxy:
      return "proxy";
    case ConflictClass::kOverRead:
      return "over-read";
    case ConflictClass::kSameValue:
      return "same-value";
  }
  return "";
}

// A conflict is an error where the documents allow a GPU to get it wrong. It is a warning where a
// GPU was seen to get it right although nothing promises that, or where it cannot change a value.
const char* severity_of(ConflictClass special) {
  const bool is_error = special == ConflictClass::kRace || special == ConflictClass::kAtomic ||
                        special == ConflictClass::kProxy;
  return is_error ? "error" : "warning";
}

const char* sentence_for(Missing missing, bool is_host) {
  if (is_host && missing == Missing::kWait) {
    return "a copy, a fill or a library's work is ordered after the kernel only by full "
           "dependencies";
  }
  switch (missing) {
    case Missing::kWait:
      return "the later thread is not ordered after griddepcontrol.wait: it must execute it "
             "first, or pass a barrier after a thread that has";
    case Missing::kChain:
      return "griddepcontrol.wait covers the direct prerequisites only, and a grid in between "
             "ended without waiting for the earlier one; that the wait covers it too is not "
             "promised";
    case Missing::kSystemScope:
      return "work of different devices is ordered by events, or by what the host waits for; "
             "accesses "
             "of both to the same bytes at the same time must be relaxed or stronger, at system "
             "scope";
    case Missing::kDependency:
      return "no stream order, event or graph edge leads from the earlier work to the later one";
    case Missing::kGridSync:
      return "CTAs of one grid are ordered only by release and acquire at gpu scope (or fences and "
             "atomics), or by a grid barrier";
    case Missing::kClusterSync:
      return "CTAs of one cluster need a cluster barrier between the two";
    case Missing::kCtaSync:
      return "warps of one CTA need a barrier between the two";
    case Missing::kProxyFence:
      return "bulk copies see what ordinary stores wrote only after fence.proxy.async";
    case Missing::kCopyWait:
      return "cp.async has written only when its thread has waited for it (cp.async.wait_group), "
             "and other warps then need a barrier after that wait";
    case Missing::kStoreWait:
      return "a bulk copy out of shared memory reads until its thread has waited for it "
             "(cp.async.bulk.wait_group), and other warps then need a barrier after that wait";
    case Missing::kProductWait:
      return "wgmma reads shared memory until its warps have waited for it (wgmma.wait_group), and "
             "other warps then need a barrier after that wait";
    case Missing::kPhaseWait:
      return "an asynchronous copy that an mbarrier counts is over when a wait for that phase of "
             "the mbarrier returns";
  }
  return "";
}

// The .shared variable at an offset, else dynamic shared memory.
SharedVariable variable_at(const Program& program, uint64_t offset) {
  for (const SharedVariable& variable : program.shared_variables) {
    if (offset - variable.offset < variable.size) return variable;
  }
  const uint64_t dynamic = program.dynamic_shared_offset();
  return {"", offset >= dynamic ? dynamic : 0, 0};
}

std::string action_of(AccessKind kind) {
  switch (kind) {
    case AccessKind::kRead:
      return "reads";
    case AccessKind::kWrite:
      return "writes";
    case AccessKind::kAtomic:
      break;
  }
  return "updates by an atomic";
}

}  // namespace

RaceCheck::RaceCheck(const GlobalMemory& memory, const Settings& settings)
    : memory_(memory),
      settings_(settings),
      detector_(memory.reservation_begin(), memory.reservation_bytes(),
                [this](const Conflict& conflict) { found(conflict); }) {
  // Host operations have no program; the number of the site tells which one it is.
  host_sites_ = detector_.history().add_sites(nullptr, kCount);
  for (const HostSite writes : {kCopyWrites, kFillWrites, kCallWrites}) {
    detector_.history().site(host_sites_ + writes).kind = AccessKind::kWrite;
  }
  detector_.uses_byte = [](const race::Site& site, uint32_t byte) {
    const auto& program = *static_cast<const Program*>(site.program);
    return byte >= 64 || (used_bytes_mask(program, site.pc) >> byte & 1U) != 0;
  };
  detector_.compares_values = settings.schedule != Schedule::kAdversarial;
}

// --- Work.

void RaceCheck::submit(Ticket ticket, const std::vector<Dependency>& dependencies, GridRun* grid,
                       uint32_t device) {
  std::vector<race::Dependency> converted;
  converted.reserve(dependencies.size());
  for (const Dependency& dependency : dependencies) {
    converted.push_back(race_dependency(dependency));
  }
  detector_.order().submit(ticket, converted, grid == nullptr ? 0 : grid->launch.memory_domain,
                           device);
  unseen_[device].insert(ticket);
  if (grid == nullptr) return;
  items_[ticket] = {grid->kernel_name, grid->launch.block, grid->grid_in_clusters, grid->cluster};
  const auto [sites, is_new] = sites_.try_emplace(grid->program);
  if (is_new) {
    const auto count = static_cast<uint32_t>(grid->program->operations.size());
    sites->second = detector_.history().add_sites(grid->program, count);
  }
  grid->first_site = sites->second;
}

void RaceCheck::complete(Ticket ticket) { detector_.order().complete(ticket); }

std::unique_ptr<race::SharedDetector> RaceCheck::watch_shared_memory(
    const GridRun& grid, std::vector<const std::byte*> memory) {
  return std::make_unique<race::SharedDetector>(
      detector_.history(), grid.first_site, std::move(memory), grid.shared_bytes,
      [this](Conflict conflict) {
        const auto leaves_unused = [&](const race::Accessor& accessor) {
          const race::Site& site = accessor.site;
          return site.kind == AccessKind::kRead &&
                 !detector_.uses_byte(site,
                                      static_cast<uint32_t>(conflict.address % site.lane_bytes));
        };
        if (leaves_unused(conflict.first) || leaves_unused(conflict.second)) {
          conflict.special = ConflictClass::kOverRead;
        }
        found(conflict);
      });
}

void RaceCheck::start_cluster(const GridRun& grid, uint64_t index,
                              std::unique_ptr<race::ClusterOrder>& order) {
  note_deferred();
  if (order != nullptr) {
    detector_.order().start_cluster(*order, grid.id, index);
  } else {
    order = detector_.order().start_cluster(
        grid.id, index, static_cast<uint32_t>(grid.cluster.count()), warps_of(grid));
  }
}

// --- The host.

void RaceCheck::begin_host_operation(Ticket ticket) {
  host_ticket_ = ticket;
  detector_.order().start(ticket);
}

void RaceCheck::end_host_operation() {
  host_order_.reset();
  detector_.order().complete(host_ticket_);
  host_ticket_ = 0;
}

void RaceCheck::host_access(HostSite site, uint64_t address, uint64_t size) {
  if (host_ticket_ == 0) {
    detector_.forget(address, size);
    return;
  }
  const bool may_defer = deferred_.empty() && detector_.order().host_knows_all();
  if (may_defer) deferred_ticket_ = host_ticket_;
  if (may_defer || deferred_ticket_ == host_ticket_) {
    deferred_.push_back({site, address, size});
    return;
  }
  note_deferred();
  if (host_order_ == nullptr) host_order_ = detector_.order().start_cluster(host_ticket_, 0, 1, 1);
  note_host_access({site, address, size});
}

void RaceCheck::note_host_access(const HostAccess& access) {
  constexpr uint64_t kChunk = 1U << 30;
  const race::SiteId site = host_sites_ + access.site;
  detector_.history().site(site).lane_bytes = kChunk;
  detector_.begin(*host_order_, 0, 1, site);
  for (uint64_t done = 0; done < access.size; done += kChunk) {
    const auto bytes = static_cast<uint32_t>(std::min(kChunk, access.size - done));
    detector_.access(access.address + done, bytes, 0, kChunk);
  }
  detector_.end();
}

// Called when something else happens before the host has waited: the accesses count after all.
void RaceCheck::note_deferred() {
  if (deferred_.empty()) return;
  auto current =
      std::exchange(host_order_, detector_.order().start_cluster(deferred_ticket_, 0, 1, 1));
  for (const HostAccess& access : deferred_) note_host_access(access);
  host_order_ = std::move(current);
  deferred_.clear();
  deferred_ticket_ = 0;
}

void RaceCheck::host_reads(uint64_t address, uint64_t size) {
  if (host_ticket_ != 0) host_access(kCopyReads, address, size);
}
void RaceCheck::host_writes(uint64_t address, uint64_t size, bool is_fill) {
  host_access(is_fill ? kFillWrites : kCopyWrites, address, size);
}

void RaceCheck::host_calls(const std::string& function) { items_[host_ticket_].name = function; }

void RaceCheck::host_waited(Ticket ticket) {
  if (ticket == 0) return;
  if (detector_.host_waited(ticket)) {
    std::erase_if(items_,
                  [&](const auto& item) { return detector_.order().host_knows(item.first); });
  }
  for (auto& [device, unseen] : unseen_) {
    std::erase_if(unseen, [&](Ticket known) { return detector_.order().host_knows(known); });
    unseen.erase(ticket);
  }
  if (detector_.order().host_knows(deferred_ticket_)) {
    deferred_.clear();
    deferred_ticket_ = 0;
  }
}

void RaceCheck::host_waited_for_all(uint32_t device) {
  std::set<Ticket>& unseen = unseen_[device];
  while (!unseen.empty()) host_waited(*unseen.rbegin());
}

// --- Findings.

void RaceCheck::found(const Conflict& conflict) {
  const race::Site& first = conflict.first.site;
  const race::Site& second = conflict.second.site;
  const Key key{first.program, first.pc,         second.program,  second.pc,
                conflict.kind, conflict.special, conflict.missing};
  const auto [entry, is_new] = index_.try_emplace(key, findings_.size());
  if (is_new) {
    findings_.push_back(describe(conflict));
    findings_.back().number = entry->second;
  }
  ++findings_[entry->second].count;
  if (is_new && settings_.report_race) settings_.report_race(findings_.back());
}

RaceFinding RaceCheck::describe(const Conflict& conflict) const {
  RaceFinding finding;
  finding.severity = severity_of(conflict.special);
  finding.kind = name_of(conflict.kind);
  finding.special = name_of(conflict.special);
  finding.first = describe(conflict.first);
  finding.second = describe(conflict.second);
  finding.missing = sentence_for(conflict.missing, finding.second.is_host);
  describe_place(conflict, finding);
  return finding;
}

void RaceCheck::describe_place(const Conflict& conflict, RaceFinding& finding) const {
  if (conflict.shared_of) {
    const auto& program = *static_cast<const Program*>(conflict.second.site.program);
    const SharedVariable variable = variable_at(program, conflict.address);
    finding.allocation = variable.name.empty() ? "dynamic shared memory"
                                               : fmt::format("{} ({} bytes of shared memory)",
                                                             variable.name, variable.size);
    if (*conflict.shared_of != conflict.second.cta) {
      finding.allocation += fmt::format(" of CTA {} of the cluster", *conflict.shared_of);
    }
    finding.offset = conflict.address - variable.offset;
    return;
  }
  const Allocation* const allocation = memory_.find(conflict.address);
  if (allocation == nullptr) return;
  finding.allocation = emulator::describe(*allocation);
  if (settings_.devices > 1) {
    finding.allocation += fmt::format(" of device {}", allocation->device);
  }
  finding.offset = conflict.address - allocation->address;
}

RaceSide RaceCheck::describe(const race::Accessor& accessor) const {
  RaceSide side;
  side.action = action_of(accessor.site.kind);
  side.launch = accessor.ticket;
  if (settings_.devices > 1) side.device = accessor.device;
  side.is_host = accessor.site.program == nullptr;
  if (side.is_host) {
    side.kernel = accessor.site.pc == kFillWrites ? "memset" : "memcpy";
    if (accessor.site.pc >= kCallReads) side.kernel = items_.at(accessor.ticket).name;
    return side;
  }
  const Item& item = items_.at(accessor.ticket);
  side.kernel = item.name;
  const auto cluster = unflatten(accessor.cluster, item.grid_in_clusters);
  const auto within = unflatten(accessor.cta, item.cluster);
  side.cta = {cluster[0] * item.cluster.x + within[0], cluster[1] * item.cluster.y + within[1],
              cluster[2] * item.cluster.z + within[2]};
  side.thread_known = accessor.lane_known;
  const uint32_t lane = accessor.lane_known ? accessor.lane : 0;
  side.thread = unflatten(accessor.warp * Limits::kWarpSize + lane, item.block);
  side.waited = accessor.waited;
  const auto& program = *static_cast<const Program*>(accessor.site.program);
  const ptx::Instruction* const instruction = program.sources[accessor.site.pc];
  if (instruction == nullptr) return side;
  const ptx::Module& module = *program.functions_by_pc[accessor.site.pc]->module;
  side.lines = lines_of(module, *instruction);
  side.instruction = std::string(module.text(*instruction));
  side.ptx_line = instruction->line;
  return side;
}

std::vector<RaceFinding> RaceCheck::findings() const { return findings_; }

}  // namespace slipstream::emulator
