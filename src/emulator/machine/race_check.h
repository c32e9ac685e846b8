// Joins the emulated device to the race detector: tells it what work, threads and the host do, and
// puts what it finds into words.
//
// Exists only while the check is on. The order it is told of is the one that was submitted, never
// how a runner happened to schedule it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "emulator/machine/grid_run.h"
#include "emulator/machine/launch.h"
#include "emulator/machine/race_finding.h"
#include "emulator/race/detector.h"
#include "emulator/race/shared_detector.h"

namespace slipstream::emulator {

class GlobalMemory;

class RaceCheck {
 public:
  RaceCheck(const GlobalMemory& memory, const Settings& settings);

  race::Detector& detector() { return detector_; }

  // --- Work. `grid` is null for a host operation.

  void submit(Ticket ticket, const std::vector<Dependency>& dependencies, GridRun* grid,
              uint32_t device);
  void complete(Ticket ticket);
  // `order`: of an earlier cluster in the same place, or null.
  void start_cluster(const GridRun& grid, uint64_t index,
                     std::unique_ptr<race::ClusterOrder>& order);
  // `memory`: of each CTA of a cluster.
  std::unique_ptr<race::SharedDetector> watch_shared_memory(const GridRun& grid,
                                                            std::vector<const std::byte*> memory);

  // --- The host. Accesses outside of a submitted operation are ordered before all that follows.

  void begin_host_operation(Ticket ticket);
  void end_host_operation();
  void host_reads(uint64_t address, uint64_t size);
  void host_writes(uint64_t address, uint64_t size, bool is_fill);
  // The host operation that runs stands for kernels of a library's function, which read and write.
  void host_calls(const std::string& function);
  void call_reads(uint64_t address, uint64_t size) { host_access(kCallReads, address, size); }
  void call_writes(uint64_t address, uint64_t size) { host_access(kCallWrites, address, size); }
  void host_waited(Ticket ticket);
  void host_waited_for_all(uint32_t device);
  void memory_freed(uint64_t address, uint64_t size) { detector_.forget(address, size); }

  [[nodiscard]] std::vector<RaceFinding> findings() const;

 private:
  // What has to be known of a work item to describe its accesses.
  struct Item {
    std::string name;
    Dim3 block;
    Dim3 grid_in_clusters;
    Dim3 cluster{1, 1, 1};
  };
  enum HostSite : uint8_t { kCopyReads, kCopyWrites, kFillWrites, kCallReads, kCallWrites, kCount };
  struct HostAccess {
    HostSite site = kCopyReads;
    uint64_t address = 0;
    uint64_t size = 0;
  };
  // Pairs of instructions, and how they conflict.
  using Key = std::tuple<const void*, uint32_t, const void*, uint32_t, race::ConflictKind,
                         race::ConflictClass, race::Missing>;

  void found(const race::Conflict& conflict);
  [[nodiscard]] RaceFinding describe(const race::Conflict& conflict) const;
  [[nodiscard]] RaceSide describe(const race::Accessor& accessor) const;
  void describe_place(const race::Conflict& conflict, RaceFinding& finding) const;
  void host_access(HostSite site, uint64_t address, uint64_t size);
  void note_host_access(const HostAccess& access);
  void note_deferred();

  const GlobalMemory& memory_;
  const Settings& settings_;
  race::Detector detector_;
  race::SiteId host_sites_ = 0;
  std::unordered_map<const Program*, race::SiteId> sites_;
  std::unordered_map<Ticket, Item> items_;
  std::map<uint32_t, std::set<Ticket>> unseen_;  // by device: the host does not know them complete
  Ticket host_ticket_ = 0;                       // of the host operation that runs
  std::unique_ptr<race::ClusterOrder> host_order_;
  // Accesses of a host operation that is ordered after everything before it. If the host waits for
  // the operation at once, as it does for most copies to the device, they cannot race and are
  // dropped.
  Ticket deferred_ticket_ = 0;
  std::vector<HostAccess> deferred_;
  std::map<Key, size_t> index_;
  std::vector<RaceFinding> findings_;
};

}  // namespace slipstream::emulator
