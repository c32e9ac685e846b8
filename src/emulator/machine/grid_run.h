// A grid from its submission to its completion.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "emulator/machine/buffer_cache.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/launch.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {

class ClusterPool;
class ClusterPools;
class DelayedStores;
class DeviceHeap;
class GlobalMemory;
class Overlay;
class RaceCheck;

// What the devices share of time.
struct Idle {
  // For which nothing could run but polls, nanoseconds: clocks count it.
  std::atomic<uint64_t> time{0};
  // Moves when time has passed that a spinning warp may wait for.
  uint64_t epoch = 0;
};

// What all workers share while they run grids of a device.
struct DeviceContext {
  uint32_t number = 0;
  GlobalMemory* memory = nullptr;  // of all devices
  DeviceHeap* heap = nullptr;
  const Settings* settings = nullptr;
  const Idle* idle = nullptr;
  DelayedStores* delayed = nullptr;  // adversarial schedule, several devices
  RaceCheck* races = nullptr;        // null unless the race check is on
  std::shared_ptr<CtaMemory> cta_memory = std::make_shared<CtaMemory>();
  ClusterPools* pools = nullptr;
  std::mutex output;                                             // device printf, and reports
  std::set<std::pair<const Program*, uint32_t>> reported_reads;  // operations; guarded by `output`
};

struct GridRun {
  DeviceContext* device = nullptr;
  KernelLaunch launch;
  const Program* program = nullptr;
  std::string kernel_name;  // demangled
  uint64_t id = 0;          // its ticket
  Dim3 cluster{1, 1, 1};
  bool explicit_cluster = false;
  Dim3 grid_in_clusters;
  uint32_t shared_bytes = 0;       // per CTA: static and dynamic
  uint32_t local_stride = 0;       // bytes of local memory per thread
  uint64_t resident_clusters = 1;  // that may run at the same time

  uint64_t next_cluster = 0;  // first that has not started
  uint64_t finished_clusters = 0;
  uint64_t triggered_ctas = 0;         // of clusters that have not finished
  bool prerequisites_complete = true;  // griddepcontrol.wait may return
  std::vector<Cluster*> asleep;        // that poll memory which does not change
  uint64_t idle_epoch = 0;             // at which they fell asleep
  std::unique_ptr<Overlay> overlay;    // adversarial schedule: writes that others do not see yet
  std::shared_ptr<ClusterPool> pool;
  uint32_t first_site = 0;  // for the race check, of the program's first operation

  uint64_t cluster_count() const { return grid_in_clusters.count(); }
  // Whether a cluster that is asleep has something to do, and all of them, taken out of `asleep`.
  bool has_woken() const;
  std::vector<Cluster*> wake();
};

}  // namespace slipstream::emulator
