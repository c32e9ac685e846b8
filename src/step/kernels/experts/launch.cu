#include <algorithm>
#include <bit>

#include "slipstream/error.h"
#include "step/kernels/experts/banded_down.cuh"
#include "step/kernels/experts/down.cuh"
#include "step/kernels/experts/launch.h"
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

const pdl::KernelDeclaration kDownDeclaration{
    .name = "expert_down",
    .symbol = SLIPSTREAM_STEP_NAME("down_kernel"),
    .waits = true,
    .fields = kDownFields,
};

const pdl::KernelDeclaration kBandedDownDeclaration{
    .name = "banded_expert_down",
    .symbol = SLIPSTREAM_STEP_NAME("banded_down_kernel"),
    .waits = true,
    .fields = kDownFields,
};

namespace {

// Two slots per warp are enough on the way; the fewer copies the better.
constexpr int kMaxSlots = 2;
constexpr int kDownChunks = 2;
constexpr int kMaxRoutedChunks = 4;

// With so many tokens, at most, routed_experts leaves room for CTAs of expert_down next to its own. Then each
// multiprocessor has room for one of them before any of routed_experts' has ended.
constexpr int kNeighborlyTokens = 4;

// Whether a CTA of expert_down finds that room.
bool comes_early(const DownLaunch& params, size_t bytes) {
  return params.tokens <= kNeighborlyTokens && bytes <= kNeighborBytes;
}

// Static shared memory of a kernel that has this; dynamic memory begins at a multiple of 128.
template <class Shared>
inline constexpr int kStaticBytes = (static_cast<int>(sizeof(Shared)) + 127) / 128 * 128;

// As many warps of at most `most` as share `parts` out evenly.
int even_warps(int parts, int most) {
  const int rounds = (parts + most - 1) / most;
  return (parts + rounds - 1) / rounds;
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

size_t dynamic_bytes(const RingShape& ring, int warps, int other_bytes) {
  return static_cast<size_t>(warps) * ring.slots * ring.slot_bytes + other_bytes;
}

}  // namespace

void launch_routed(RoutedLaunch params, const pdl::LaunchOptions& options) {
  set_lanes(params.route);
  const PackedMatrix& matrix = params.gate_up;
  const int warps = even_warps(matrix.groups(), experts::kMaxRoutedWarps);
  params.slice_groups = (matrix.groups() + warps - 1) / warps;
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

namespace {

// Whether one warp sorts all choices.
bool by_lanes(const DownLaunch& params) {
  return experts::Columns::fits_lanes(params.tokens, params.choices_per_token);
}

// Of each warpgroup's ring; 0: there is no room. Two to four tokens' activations and sums come sooner where fewer
// weights are on their way, those of nine and more leave no room for a third slot (measured on an H200).
int band_slots(int tokens, int warpgroups, const BandedMemory& memory) {
  const int room =
      device_limits().shared_bytes - kStaticBytes<experts::BandedShared> - memory.bytes;
  const int most = std::max(room, 0) / (warpgroups * memory.slot_bytes);
  return std::min(tokens == 1 || (tokens > kNeighborlyTokens && tokens <= 8) ? 3 : 2, most);
}

BandedMemory plan_bands(const DownLaunch& params, int warpgroups) {
  const int chosen = params.tokens * params.choices_per_token;
  const int groups = std::max(params.down.groups(), params.shared_down.groups());
  BandedMemory memory;
  memory.expert_bytes = static_cast<int>(params.down.bytes());
  memory.bands = bands_per_cta(params.down.rows);
  memory.slot_bytes = memory.bands * PackedMatrix::band_bytes(std::min(groups, 2));
  memory.columns = chosen + params.tokens;
  // Odd, so that what neighboring lanes store lies on different banks. A product reads up to seven
  // columns past the last one.
  memory.pitch = (memory.columns | 1) * experts::kPieceColumns;
  constexpr int kPast = experts::kColumnTile - 1;
  memory.scales = std::max(
      groups * kGroup / experts::kPieceColumns * memory.pitch + kPast * experts::kPieceColumns,
      experts::kLeastCodes);
  memory.partials = memory.scales + (groups * memory.columns + kPast + 3) / 4 * 16;
  // Neighboring tokens' sums lie on different banks.
  memory.token_stride = (memory.bands | 1) * kBandRows;
  memory.place_stride = params.tokens * memory.token_stride;
  memory.order = memory.partials + (1 + params.choices_per_token) * memory.place_stride *
                                       static_cast<int>(sizeof(float));
  memory.bytes = memory.order + experts::Columns::bytes(chosen, params.tokens);
  memory.slots = band_slots(params.tokens, warpgroups, memory);
  return memory;
}

// More than 32 choices: twice the warpgroups quantize as much faster.
constexpr int kFewWarpgroups = 2;

// All rounds of activations that one to four tokens have are loaded at a time: what is loaded later waits
// for weights. More rounds than there are would only be more instructions.
auto banded_kernel(const DownLaunch& params) {
  if (!by_lanes(params)) return banded_down_kernel<4, false, experts::kMaxWarpgroups>;
  constexpr int kRound = kFewWarpgroups * experts::kWarpgroupWarps * 2;
  switch (ceil_div(experts::chosen_units(params), kRound)) {
    case 1:
      return banded_down_kernel<1, true, kFewWarpgroups>;
    case 2:
      return banded_down_kernel<2, true, kFewWarpgroups>;
    case 3:
      return banded_down_kernel<3, true, kFewWarpgroups>;
    default:
      return banded_down_kernel<4, true, kFewWarpgroups>;
  }
}

// The same for some of the tokens.
DownLaunch of_tokens(DownLaunch params, int first, int count) {
  const int64_t rows = int64_t{first} * params.choices_per_token;
  params.choices.pointer += rows;
  params.activated.pointer += rows * 2 * params.down.columns;
  params.shared_input.rows.pointer += first * params.shared_input.stride;
  params.output.pointer += int64_t{first} * params.down.rows;
  params.tokens = count;
  return params;
}

void launch_banded(DownLaunch params, const pdl::LaunchOptions& options) {
  const int warpgroups = by_lanes(params) ? kFewWarpgroups : experts::kMaxWarpgroups;
  params.memory = plan_bands(params, warpgroups);
  if (params.memory.slots < 1 && params.tokens > 1) {
    // Their activations are too many for shared memory.
    const int half = params.tokens / 2;
    launch_banded(of_tokens(params, 0, half), options);
    launch_banded(of_tokens(params, half, params.tokens - half), options);
    return;
  }
  if (params.memory.slots < 1) {
    throw InvalidArgument("expert_down: a token's activations do not fit into shared memory");
  }
  params.per_token = SmallDivisor::of(params.choices_per_token);
  params.per_row = SmallDivisor::of(params.down.groups());
  params.per_shared_row = SmallDivisor::of(params.shared_down.groups());
  const int bands = params.memory.bands;
  const size_t bytes =
      size_t{1} * warpgroups * params.memory.slots * params.memory.slot_bytes + params.memory.bytes;
  const bool is_early = comes_early(params, bytes + kStaticBytes<experts::BandedShared>);
  pdl::launch(kBandedDownDeclaration, banded_kernel(params),
              {.grid = dim3((params.down.bands() + bands - 1) / bands),
               .block = dim3(experts::banded_threads(warpgroups)),
               .dynamic_shared_bytes = is_early ? bytes : std::max(bytes, kSpreadingBytes)},
              options, params);
}

}  // namespace

void launch_down(DownLaunch params, const pdl::LaunchOptions& options) {
  if (params.down.is_banded && params.shared_down.is_banded) return launch_banded(params, options);
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
