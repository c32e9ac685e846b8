#include <algorithm>
#include <bit>
#include <string>

#include "step/kernels/experts/launch.h"
#include "step/kernels/experts/launch_plan.h"
#include "step/kernels/experts/routed.cuh"
#include "step/kernels/support/division.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kRoutedDeclaration{
    .name = "routed_experts",
    .symbol = SLIPSTREAM_STEP_NAME("routed_kernel"),
    .waits = true,
    .fields = kRoutedFields,
};

namespace {

constexpr int kMaxRoutedChunks = 4;

// Chunks per slot. A few tokens' rings leave room for a CTA of the next launch; more tokens need the
// throughput. Where much of every other slot would stay empty only five to eight of them do (measured on
// an H200). The launch still asks for enough to spread its CTAs.
int routed_chunks(const RoutedLaunch& params, int warps, int other_bytes) {
  const int rest = params.slice_groups % kMaxRoutedChunks;
  const bool leaves_empty = rest == 1 || rest == 2;
  if (params.tokens <= (params.gate_up.is_fp8 ? kNeighborlyTokens : 1)) return 2;
  if (params.gate_up.is_fp8 && leaves_empty && params.tokens > 8) return 2;
  int chunks = kMaxRoutedChunks;
  while (chunks > 2 && !fits(warps, chunks, other_bytes)) chunks /= 2;
  return chunks;
}

// Of a task, in bytes.
int sum_bytes(const TaskSums& sums, int warps) {
  return warps * experts::partial_floats(sums.places.divisor) * static_cast<int>(sizeof(float));
}

// Of a CTA that has `tasks` tasks, at most. Four tokens' eight fit into one set. More than an item's tokens need
// the room for rings.
TaskSums plan_sums(int tokens, int warps, int tasks) {
  TaskSums sums;
  sums.places = SmallDivisor::of(std::min(tokens, experts::kItemTokens));
  const int room = (tokens <= experts::kItemTokens ? 20 : 10) * 1024;
  const int most = room / sum_bytes(sums, warps);
  if (tasks <= most) return {tasks, 1, sums.places};
  // Sets of about the same number of tasks.
  sums.tasks = ceil_div(tasks, ceil_div(tasks, std::max(most / 2, 1)));
  return sums;
}

// How choose() shares experts out among the lanes of a warp.
void set_lanes(RouteParams& route) {
  const int group_size = route.experts / route.groups;
  route.group_size = SmallDivisor::of(group_size);
  route.lane_shift = std::bit_width(32U / route.groups) - 1;
  const int lanes = 1 << route.lane_shift;
  route.experts_per_lane = (group_size + lanes - 1) / lanes;
  // As few sets as there are choices, in groups that are kept.
  const int used_lanes = std::min(lanes, group_size);
  route.set_lanes = lanes;
  while (route.set_lanes > 0 &&
         route.kept_groups * (used_lanes / route.set_lanes) < route.choices) {
    route.set_lanes /= 2;
  }
}

}  // namespace

void launch_routed(RoutedLaunch params, const pdl::LaunchOptions& options) {
  set_lanes(params.route);
  const PackedMatrix& matrix = params.gate_up;
  const int warps = even_warps(matrix.groups(), experts::kMaxRoutedWarps);
  params.slice_groups = (matrix.groups() + warps - 1) / warps;
  if (params.slice_groups > experts::kMaxSliceGroups) {
    throw InvalidArgument(
        "routed_experts: gate_up must have at most " +
        std::to_string(experts::kMaxSliceGroups * experts::kMaxRoutedWarps * kGroup) +
        " columns, has " + std::to_string(matrix.columns));
  }
  constexpr int kStatic = kStaticBytes<experts::RoutedShared>;
  const int staged_bytes = code_bytes(matrix.groups() * params.tokens);
  const int items = experts::most_items(params.tokens, params.route.choices, params.route.experts);
  const int tasks = items * matrix.tile_count();
  const int ctas = std::min(device_limits().multiprocessors, tasks);
  params.sums = plan_sums(params.tokens, warps, ceil_div(tasks, ctas));
  params.scratch_bytes =
      std::max(params.sums.sets * params.sums.tasks * sum_bytes(params.sums, warps),
               experts::KeyLists::bytes(params.route, params.tokens));
  int other_bytes =
      params.scratch_bytes + experts::Plan::bytes(params.tokens * params.route.choices);
  const bool staged = matrix.is_fp8 && fits(warps, 2, kStatic + other_bytes + staged_bytes);
  if (staged) other_bytes += staged_bytes;
  params.ring =
      plan_rings(matrix.is_fp8, warps, routed_chunks(params, warps, kStatic + other_bytes),
                 kStatic + other_bytes);
  params.tiles = SmallDivisor::of(matrix.tile_count());
  params.per_token = SmallDivisor::of(params.route.choices);
  params.ctas = SmallDivisor::of(ctas);
  const auto staged_kernel = params.tokens > 1 ? routed_kernel<experts::StagedInput<true>>
                                               : routed_kernel<experts::StagedInput<false>>;
  const auto kernel = staged ? staged_kernel : routed_kernel<experts::DirectInput>;
  const size_t spreading =
      params.tokens <= kNeighborlyTokens ? kLeastSpreadingBytes - kStatic : kSpreadingBytes;
  pdl::launch(
      kRoutedDeclaration, kernel,
      {.grid = dim3(ctas),
       .block = dim3(warps * 32),
       .dynamic_shared_bytes = std::max(dynamic_bytes(params.ring, warps, other_bytes), spreading)},
      options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
