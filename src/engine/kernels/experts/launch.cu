#include <algorithm>

#include "engine/kernels/experts/kernel.cuh"
#include "engine/kernels/experts/launch.h"

namespace slipstream::engine::kernels {

const pdl::KernelDeclaration kRoutedDeclaration{
    .name = "routed_experts",
    .symbol = "slipstream::engine::kernels::routed_kernel",
    .waits = true,
    .fields = kRoutedFields,
};

const pdl::KernelDeclaration kDownDeclaration{
    .name = "expert_down",
    .symbol = "slipstream::engine::kernels::down_kernel",
    .waits = true,
    .fields = kDownFields,
};

namespace {

constexpr int kRingSlots = 4;

}  // namespace

void launch_routed(RoutedLaunch params, const pdl::LaunchOptions& options) {
  const int warps = std::min(params.gate_up.groups(), kMaxWarps);
  params.ring_slots = kRingSlots;
  constexpr std::size_t kWarpBytes = kRingSlots * kChunkBytes + sizeof(ChoiceScratch);
  const int most_experts = std::min(params.tokens * params.route.choices, params.route.experts);
  const auto kernel = params.tokens <= 8 ? routed_kernel<1> : routed_kernel<2>;
  pdl::launch(kRoutedDeclaration, kernel,
              {.grid = dim3(params.gate_up.tile_count(), most_experts),
               .block = dim3(warps * 32),
               .dynamic_shared_bytes = warps * kWarpBytes},
              options, params);
}

void launch_down(DownLaunch params, const pdl::LaunchOptions& options) {
  params.ring_slots = kRingSlots;
  const int items = 1 + std::min(params.tokens * params.choices_per_token, params.experts);
  const int warps = std::min(items, kMaxWarps);
  const auto kernel = params.tokens <= 8 ? down_kernel<1> : down_kernel<2>;
  pdl::launch(kDownDeclaration, kernel,
              {.grid = dim3(params.down.tile_count()),
               .block = dim3(warps * 32),
               .dynamic_shared_bytes = static_cast<std::size_t>(warps) * kRingSlots * kChunkBytes},
              options, params);
}

}  // namespace slipstream::engine::kernels
