#include <algorithm>

#include "step/kernels/experts/down.cuh"
#include "step/kernels/experts/launch.h"
#include "step/kernels/experts/launch_plan.h"
#include "step/kernels/support/division.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kDownDeclaration{
    .name = "expert_down",
    .symbol = SLIPSTREAM_STEP_NAME("down_kernel"),
    .waits = true,
    .fields = kDownFields,
};

namespace {

constexpr int kDownChunks = 2;

// What one or two tokens choose is shared out evenly among few warps. Of three or four tokens twelve
// take it, three in each quarter of a multiprocessor, next to which eight of routed_experts or of the next
// layer's first launch find registers; or eleven, where these have no more rounds and twelve no room next to
// routed_experts. Of more all warps there can be: so many quantize faster (measured on an H200).
constexpr int kFewItems = 18;
constexpr int kNeighborlyItems = 36;
constexpr int kNeighborlyWarps = 12;

int down_warps(int items, int other_bytes) {
  if (items > kFewItems && items <= kNeighborlyItems) {
    const int even = even_warps(items, kNeighborlyWarps);
    const int ring_bytes = kNeighborlyWarps * kMaxSlots * kDownChunks * kChunkBytes;
    const bool finds_room = other_bytes + ring_bytes <= static_cast<int>(kNeighborBytes);
    return finds_room || even < kNeighborlyWarps - 1 ? kNeighborlyWarps : even;
  }
  const int even = even_warps(items, experts::kMaxDownWarps);
  if (items <= kFewItems) return std::min(even, kNeighborlyWarps);
  return fits(experts::kMaxDownWarps, kDownChunks, other_bytes) ? experts::kMaxDownWarps : even;
}

// More rounds of activations than there are would only be more instructions.
auto staged_kernel(const DownLaunch& params, int warps) {
  const bool has_twos =
      params.down.groups() % kDownChunks == 0 && params.shared_down.groups() % kDownChunks == 0;
  if (!has_twos) return down_kernel<experts::StagedRows<3, false>>;
  switch (ceil_div(experts::chosen_units(params), 2 * warps)) {
    case 1:
      return down_kernel<experts::StagedRows<1, true>>;
    case 2:
      return down_kernel<experts::StagedRows<2, true>>;
    default:
      return down_kernel<experts::StagedRows<3, true>>;
  }
}

// One token's CTAs stay small: those of the launches before and after find room next to them. Of
// more tokens, where some CTAs have four tiles, spreading them is worth more than that room; where none
// has more than three it is not (measured on an H200).
size_t down_bytes(const DownLaunch& params, size_t needed) {
  const bool spreads =
      params.tokens > 1 && params.down.tile_count() > 3 * device_limits().multiprocessors;
  return spreads ? std::max(needed, kSpreadingBytes) : needed;
}

}  // namespace

void launch_down(DownLaunch params, const pdl::LaunchOptions& options) {
  if (params.down.is_banded && params.shared_down.is_banded)
    return launch_banded_down(params, options);
  const bool is_fp8 = params.down.is_fp8 && params.shared_down.is_fp8;
  constexpr int kStatic = kStaticBytes<experts::DownShared>;
  const int staged_bytes = code_bytes(experts::row_units(params));
  const int ctas = std::min(device_limits().multiprocessors, params.down.tile_count());
  const int tiles = std::min(ceil_div(params.down.tile_count(), ctas), experts::kBatchTiles);
  int other_bytes = experts::plan_bytes(params) + tiles * experts::places_of(params) *
                                                      experts::partial_floats(params.tokens) *
                                                      static_cast<int>(sizeof(float));
  const int warps = down_warps(experts::most_down_items(params),
                               kStatic + other_bytes + (is_fp8 ? staged_bytes : 0));
  const bool staged =
      is_fp8 &&
      std::max(params.down.groups(), params.shared_down.groups()) * experts::kBatchTiles <= 32 &&
      fits(warps, kDownChunks, kStatic + other_bytes + staged_bytes);
  if (staged) other_bytes += staged_bytes;
  params.ring = plan_rings(is_fp8, warps, kDownChunks, kStatic + other_bytes);
  params.per_token = SmallDivisor::of(params.choices_per_token);
  const auto kernel = staged ? staged_kernel(params, warps) : down_kernel<experts::DirectRows>;
  pdl::launch(
      kDownDeclaration, kernel,
      {.grid = dim3(ctas),
       .block = dim3(warps * 32),
       .dynamic_shared_bytes = down_bytes(params, dynamic_bytes(params.ring, warps, other_bytes))},
      options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
