// Clusters ready to run, with their registers, shared and local memory, reused over a grid's life.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "emulator/machine/buffer_cache.h"
#include "emulator/machine/cta.h"
#include "emulator/machine/frame_pool.h"
#include "emulator/machine/grid_run.h"
#include "emulator/race/cluster_order.h"
#include "emulator/race/shared_detector.h"

namespace slipstream::emulator {

class ClusterPool {
 public:
  explicit ClusterPool(std::shared_ptr<CtaMemory> memory) : memory_(std::move(memory)) {}
  ~ClusterPool();
  ClusterPool(const ClusterPool&) = delete;
  ClusterPool& operator=(const ClusterPool&) = delete;

  // The cluster of that index, at its first instruction; in memory that the worker has used last, if there is some: it may
  // still be in that processor's cache.
  Cluster* acquire(GridRun& grid, uint64_t index, const Worker* worker = nullptr);
  void release(Cluster* cluster);
  // Of memory that it holds. Only while no grid uses it.
  size_t bytes() const;

 private:
  struct Owned : Cluster {
    explicit Owned(BufferCache& registers) : frame_pool(registers) {}

    FramePool frame_pool;
    std::vector<AlignedBuffer> shared;  // by CTA, as all that follow
    std::vector<AlignedBuffer> shared_written;
    std::vector<AlignedBuffer> local;
    std::unique_ptr<race::ClusterOrder> order_storage;  // while the race check is on
    std::unique_ptr<race::SharedDetector> shared_races_storage;
  };

  std::unique_ptr<Owned> make(const GridRun& grid);
  static void start(Owned& owned, GridRun& grid, uint64_t index);
  static void clean(Owned& owned);

  std::shared_ptr<CtaMemory> memory_;
  std::mutex mutex_;
  std::vector<Owned*> free_;
  std::vector<std::unique_ptr<Owned>> all_;
};

}  // namespace slipstream::emulator
