#include <algorithm>
#include <bit>

#include "step/kernels/experts/down.cuh"
#include "step/kernels/experts/launch.h"
#include "step/kernels/experts/routed.cuh"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kRoutedDeclaration{
    .name = "routed_experts",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::routed_kernel",
    .waits = true,
    .fields = kRoutedFields,
};

const pdl::KernelDeclaration kDownDeclaration{
    .name = "expert_down",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::down_kernel",
    .waits = true,
    .fields = kDownFields,
};

namespace {

// Two slots per warp are enough on the way; the fewer copies the better.
constexpr int kMaxSlots = 2;
constexpr int kDownChunks = 2;
// One token's rings leave room for a CTA of the next launch; more tokens need the throughput. The
// launch still asks for enough to spread its CTAs.
constexpr int routed_chunks(int tokens) { return tokens == 1 ? 2 : 4; }

// As many warps of at most `most` as share `parts` out evenly.
int even_warps(int parts, int most) {
  const int rounds = (parts + most - 1) / most;
  return (parts + rounds - 1) / rounds;
}

int two_partials(int warps, int tokens) {
  return 2 * warps * experts::partial_floats(tokens) * static_cast<int>(sizeof(float));
}

// Rings whose slots hold `chunks` chunks, a group of a bf16 matrix being two.
RingShape plan_rings(bool is_fp8, int warps, int chunks, int other_bytes) {
  const int slot_bytes = chunks * kChunkBytes;
  const int slots = (device_limits().shared_bytes - other_bytes) / (warps * slot_bytes);
  return {std::clamp(slots, 1, kMaxSlots), slot_bytes, is_fp8 ? chunks : chunks / 2};
}

bool fits(int warps, int chunks, int other_bytes) {
  return other_bytes + warps * kMaxSlots * chunks * kChunkBytes <= device_limits().shared_bytes;
}

size_t dynamic_bytes(const RingShape& ring, int warps, int other_bytes) {
  return static_cast<size_t>(warps) * ring.slots * ring.slot_bytes + other_bytes;
}

template <int kTokenTiles>
void launch_routed_tiles(RoutedLaunch params, const pdl::LaunchOptions& options) {
  const PackedMatrix& matrix = params.gate_up;
  const int warps = even_warps(matrix.groups(), experts::kMaxRoutedWarps);
  const int chunks = routed_chunks(params.tokens);
  constexpr int kStaticBytes = sizeof(experts::RoutedShared<kTokenTiles>);
  const int staged_bytes = experts::CodeUnits::bytes(matrix.groups() * params.tokens);
  const int key_bytes =
      params.tokens * params.route.experts_per_lane * 32 * static_cast<int>(sizeof(uint32_t));
  params.scratch_bytes = std::max(two_partials(warps, params.tokens), key_bytes);
  int other_bytes = params.scratch_bytes;
  const bool staged = matrix.is_fp8 && fits(warps, 2, kStaticBytes + other_bytes + staged_bytes);
  if (staged) other_bytes += staged_bytes;
  params.ring = plan_rings(matrix.is_fp8, warps, chunks, kStaticBytes + other_bytes);
  const int most_experts = std::min(params.tokens * params.route.choices, params.route.experts);
  const auto kernel = staged ? routed_kernel<kTokenTiles, experts::StagedInput>
                             : routed_kernel<kTokenTiles, experts::DirectInput>;
  pdl::launch(
      kRoutedDeclaration, kernel,
      {.grid = dim3(std::min(device_limits().multiprocessors, most_experts * matrix.tile_count())),
       .block = dim3(warps * 32),
       .dynamic_shared_bytes =
           std::max(dynamic_bytes(params.ring, warps, other_bytes), kSpreadingBytes)},
      options, params);
}

template <int kTokenTiles>
void launch_down_tiles(DownLaunch params, const pdl::LaunchOptions& options) {
  const int items = 1 + std::min(params.tokens * params.choices_per_token, params.experts);
  const int warps = even_warps(items, experts::kMaxDownWarps);
  const bool is_fp8 = params.down.is_fp8 && params.shared_down.is_fp8;
  constexpr int kStaticBytes = sizeof(experts::DownShared<kTokenTiles>);
  const int staged_bytes = experts::CodeUnits::bytes(experts::StagedRows::units(params));
  constexpr int kBatch = experts::kBatchTiles<kTokenTiles>;
  int other_bytes = kBatch * experts::places_of(params) * experts::partial_floats(params.tokens) *
                    static_cast<int>(sizeof(float));
  const bool staged = is_fp8 &&
                      std::max(params.down.groups(), params.shared_down.groups()) * kBatch <= 32 &&
                      fits(warps, kDownChunks, kStaticBytes + other_bytes + staged_bytes);
  if (staged) other_bytes += staged_bytes;
  params.ring = plan_rings(is_fp8, warps, kDownChunks, kStaticBytes + other_bytes);
  const auto kernel = staged ? down_kernel<kTokenTiles, experts::StagedRows>
                             : down_kernel<kTokenTiles, experts::DirectRows>;
  pdl::launch(kDownDeclaration, kernel,
              {.grid = dim3(std::min(device_limits().multiprocessors, params.down.tile_count())),
               .block = dim3(warps * 32),
               .dynamic_shared_bytes = dynamic_bytes(params.ring, warps, other_bytes)},
              options, params);
}

}  // namespace

void launch_routed(RoutedLaunch params, const pdl::LaunchOptions& options) {
  RouteParams& route = params.route;
  route.lanes_per_group = static_cast<int>(std::bit_floor(32U / route.groups));
  const int group_size = route.experts / route.groups;
  route.experts_per_lane = (group_size + route.lanes_per_group - 1) / route.lanes_per_group;
  params.tokens <= 8 ? launch_routed_tiles<1>(params, options)
                     : launch_routed_tiles<2>(params, options);
}

void launch_down(DownLaunch params, const pdl::LaunchOptions& options) {
  params.tokens <= 8 ? launch_down_tiles<1>(params, options)
                     : launch_down_tiles<2>(params, options);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
