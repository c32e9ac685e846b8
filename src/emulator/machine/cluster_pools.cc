#include "emulator/machine/cluster_pools.h"

#include <algorithm>
#include <utility>

#include "emulator/machine/grid_run.h"
#include "emulator/machine/grid_shape.h"

namespace slipstream::emulator {

bool ClusterPools::Kept::fits(const GridRun& grid) const {
  return program.lock() == grid.program->identity && ctas == grid.cluster.count() &&
         warps == warps_of(grid) && shared_bytes == grid.shared_bytes &&
         local_stride == grid.local_stride;
}

std::shared_ptr<ClusterPool> ClusterPools::take(const GridRun& grid,
                                                const std::shared_ptr<CtaMemory>& memory) {
  // What the race check knows of a pool's memory is of one grid.
  if (grid.device->races != nullptr) return std::make_shared<ClusterPool>(memory);
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(
      kept_, [&](const Kept& kept) { return kept.is_free() && kept.fits(grid); });
  if (found != kept_.end()) {
    std::rotate(found, found + 1, kept_.end());
    return kept_.back().pool;
  }
  forget_some();
  kept_.push_back({grid.program->identity, grid.cluster.count(), warps_of(grid), grid.shared_bytes,
                   grid.local_stride, std::make_shared<ClusterPool>(memory)});
  return kept_.back().pool;
}

void ClusterPools::forget_some() {
  std::erase_if(kept_, [](const Kept& kept) { return kept.program.expired(); });
  if (kept_.size() >= kRemembered) kept_.erase(kept_.begin());
  size_t bytes = 0;
  for (const Kept& kept : kept_) bytes += kept.is_free() ? kept.pool->bytes() : 0;
  while (bytes > kMaxBytes) {
    bytes -= kept_.front().is_free() ? kept_.front().pool->bytes() : 0;
    kept_.erase(kept_.begin());
  }
}

}  // namespace slipstream::emulator
