// Pools of clusters that wait for the next grid of the same kernel and shape: it then finds its frames with all constants
// in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "emulator/machine/cluster_pool.h"

namespace slipstream::emulator {

class ClusterPools {
 public:
  // A pool that no other grid uses.
  std::shared_ptr<ClusterPool> take(const GridRun& grid, const std::shared_ptr<CtaMemory>& memory);

 private:
  static constexpr size_t kRemembered = 8;
  static constexpr size_t kMaxBytes = size_t{256} << 20U;

  struct Kept {
    std::weak_ptr<const void> program;  // Program::identity: its address may be another one's later
    uint64_t ctas = 0;
    uint32_t warps = 0;
    uint32_t shared_bytes = 0;
    uint32_t local_stride = 0;
    std::shared_ptr<ClusterPool> pool;

    bool fits(const GridRun& grid) const;
    bool is_free() const { return pool.use_count() == 1; }
  };

  void forget_some();

  std::mutex mutex_;
  std::vector<Kept> kept_;  // the one used last comes last
};

}  // namespace slipstream::emulator
