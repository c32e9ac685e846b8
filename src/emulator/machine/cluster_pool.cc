#include "emulator/machine/cluster_pool.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <ranges>
#include <utility>

#include "emulator/machine/grid_shape.h"
#include "emulator/machine/race_check.h"

namespace slipstream::emulator {
namespace {

void start_warp(Warp& warp, Cta& cta, FramePool& frames, std::byte* local) {
  const GridRun& grid = *cta.cluster->grid;
  const uint32_t index = warp.index;
  auto groups = std::move(warp.groups);
  groups.clear();
  warp = {};
  warp.groups = std::move(groups);
  warp.index = index;
  warp.cta = &cta;
  warp.live = lanes_of(grid, index);
  warp.has_plain_memory = cta.cluster->order == nullptr && grid.overlay == nullptr;
  warp.local_stride = grid.local_stride;
  warp.local =
      local == nullptr ? nullptr : local + size_t{index} * Limits::kWarpSize * grid.local_stride;
  const FunctionCode& kernel = grid.program->functions.front();
  warp.frame = frames.acquire(kernel, warp, warp.live, nullptr, 0);
  warp.registers = warp.frame->registers;
  warp.pc = kernel.entry;
  warp.active = warp.live;
}

constexpr uint64_t kChunk = uint64_t{1} << kLocalChunkShift;

// As std::memset, of which the compiler makes one instruction that takes many times as long.
void clear_chunk(std::byte* chunk) {
  for (uint64_t i = 0; i < kChunk; i += sizeof(__m256i)) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(chunk + i), _mm256_setzero_si256());
  }
}

void clean_local(Warp& warp) {
  for (uint64_t rest = std::exchange(warp.local_touched, 0); rest != 0; rest &= rest - 1) {
    const uint64_t first = static_cast<uint64_t>(std::countr_zero(rest)) * kChunk;
    for (uint64_t begin = first; begin < warp.local_stride; begin += 64 * kChunk) {
      const uint64_t bytes = std::min<uint64_t>(kChunk, warp.local_stride - begin);
      for (uint64_t lane = 0; lane < Limits::kWarpSize; ++lane) {
        std::byte* const at = warp.local + lane * warp.local_stride + begin;
        if (bytes == kChunk) {
          clear_chunk(at);
        } else {
          std::memset(at, 0, bytes);
        }
      }
    }
  }
}

}  // namespace

ClusterPool::~ClusterPool() {
  for (const auto& owned : all_) {
    clean(*owned);
    for (AlignedBuffer& buffer : owned->shared) memory_->shared.give_back(std::move(buffer));
    for (AlignedBuffer& buffer : owned->shared_written) {
      memory_->zeroed.give_back(std::move(buffer));
    }
    for (AlignedBuffer& buffer : owned->local) memory_->zeroed.give_back(std::move(buffer));
  }
}

std::unique_ptr<ClusterPool::Owned> ClusterPool::make(const GridRun& grid) {
  auto owned = std::make_unique<Owned>(memory_->registers);
  const auto cta_count = static_cast<uint32_t>(grid.cluster.count());
  const uint32_t warp_count = warps_of(grid);
  const bool tracked = grid.device->settings->uninitialized_reads != UninitializedReads::kIgnore;
  owned->ctas.resize(cta_count);
  owned->frames = &owned->frame_pool;
  for (uint32_t rank = 0; rank < cta_count; ++rank) {
    Cta& cta = owned->ctas[rank];
    cta.rank = rank;
    cta.warps.resize(warp_count);
    for (uint32_t i = 0; i < warp_count; ++i) cta.warps[i].index = i;
    cta.warpgroups.resize((warp_count + kWarpsPerWarpgroup - 1) / kWarpsPerWarpgroup);
    // Whole words: see Reach.
    const size_t shared_bytes = (size_t{grid.shared_bytes} + 3) / 4 * 4;
    owned->shared.push_back(memory_->shared.take(shared_bytes));
    owned->shared_written.push_back(memory_->zeroed.take(tracked ? shared_bytes : 0));
    owned->local.push_back(
        memory_->zeroed.take(size_t{warp_count} * Limits::kWarpSize * grid.local_stride));
  }
  return owned;
}

// Makes its memory as new, where anybody has written to it.
void ClusterPool::clean(Owned& owned) {
  for (Cta& cta : owned.ctas) {
    AlignedBuffer& shared = owned.shared[cta.rank];
    AlignedBuffer& written = owned.shared_written[cta.rank];
    constexpr size_t kChunk = size_t{1} << kSharedChunkShift;
    for (uint64_t rest = std::exchange(cta.shared_touched, 0); rest != 0; rest &= rest - 1) {
      const size_t begin = static_cast<size_t>(std::countr_zero(rest)) * kChunk;
      const size_t bytes = std::min(kChunk, shared.size() - begin);
      std::memset(shared.data() + begin, std::to_integer<int>(kUnwritten), bytes);
      if (written.size() != 0) std::memset(written.data() + begin, 0, bytes);
    }
    for (Warp& warp : cta.warps) clean_local(warp);
  }
}

void ClusterPool::start(Owned& owned, GridRun& grid, uint64_t index) {
  Cluster& cluster = owned;
  clean(owned);
  owned.frame_pool.release_all();
  cluster.grid = &grid;
  cluster.index = index;
  cluster.epoch = 0;
  cluster.barrier_arrived = 0;
  cluster.barrier_parity = 0;
  cluster.instructions = 0;
  cluster.waits_for_grids = false;
  cluster.wants_to_yield = false;
  cluster.next_warp = 0;
  cluster.progress = 0;
  cluster.quiet_rounds = 0;
  cluster.late_copies.clear();
  RaceCheck* const races = grid.device->races;
  if (races != nullptr) races->start_cluster(grid, index, owned.order_storage);
  cluster.order = owned.order_storage.get();
  if (races != nullptr && owned.shared_races_storage == nullptr) {
    std::vector<const std::byte*> memory;
    for (AlignedBuffer& shared : owned.shared) memory.push_back(shared.data());
    owned.shared_races_storage = races->watch_shared_memory(grid, std::move(memory));
  }
  if (races != nullptr) owned.shared_races_storage->start(*cluster.order, index);
  cluster.shared_races = owned.shared_races_storage.get();
  const auto threads = static_cast<uint32_t>(grid.launch.block.count());
  cluster.live_threads = threads * static_cast<uint32_t>(cluster.ctas.size());
  const auto cluster_index = unflatten(index, grid.grid_in_clusters);
  for (Cta& cta : cluster.ctas) {
    const auto within = unflatten(cta.rank, grid.cluster);
    cta.cluster = &cluster;
    cta.index = {cluster_index[0] * grid.cluster.x + within[0],
                 cluster_index[1] * grid.cluster.y + within[1],
                 cluster_index[2] * grid.cluster.z + within[2]};
    cta.live_threads = threads;
    cta.barriers = {};
    for (Warpgroup& warpgroup : cta.warpgroups) warpgroup = {};
    cta.triggered = false;
    AlignedBuffer& shared = owned.shared[cta.rank];
    AlignedBuffer& written = owned.shared_written[cta.rank];
    cta.shared = shared.data();
    cta.shared_bytes = grid.shared_bytes;
    cta.shared_written = written.size() == 0 ? nullptr : reinterpret_cast<uint8_t*>(written.data());
    AlignedBuffer& local = owned.local[cta.rank];
    for (Warp& warp : cta.warps) {
      start_warp(warp, cta, owned.frame_pool, local.size() == 0 ? nullptr : local.data());
    }
  }
}

Cluster* ClusterPool::acquire(GridRun& grid, uint64_t index, const Worker* worker) {
  Owned* owned = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      all_.push_back(make(grid));
      free_.push_back(all_.back().get());
    }
    const auto own = std::ranges::find(free_ | std::views::reverse, worker, &Cluster::worker);
    if (own != free_.rend()) std::swap(*own, free_.back());
    owned = free_.back();
    free_.pop_back();
  }
  start(*owned, grid, index);
  return owned;
}

size_t ClusterPool::bytes() const {
  size_t sum = 0;
  for (const auto& owned : all_) {
    sum += owned->frame_pool.bytes();
    for (const auto* const buffers : {&owned->shared, &owned->shared_written, &owned->local}) {
      for (const AlignedBuffer& buffer : *buffers) sum += buffer.size();
    }
  }
  return sum;
}

void ClusterPool::release(Cluster* cluster) {
  const std::lock_guard lock(mutex_);
  free_.push_back(static_cast<Owned*>(cluster));
}

}  // namespace slipstream::emulator
