#include <algorithm>

#include "slipstream/error.h"
#include "step/kernels/experts/banded_down.cuh"
#include "step/kernels/experts/launch.h"
#include "step/kernels/experts/launch_plan.h"
#include "step/kernels/support/division.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kBandedDownDeclaration{
    .name = "banded_expert_down",
    .symbol = SLIPSTREAM_STEP_NAME("banded_down_kernel"),
    .waits = true,
    .fields = kDownFields,
};

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

}  // namespace

void launch_banded_down(DownLaunch params, const pdl::LaunchOptions& options) {
  const int warpgroups = by_lanes(params) ? kFewWarpgroups : experts::kMaxWarpgroups;
  params.memory = plan_bands(params, warpgroups);
  if (params.memory.slots < 1 && params.tokens > 1) {
    // Their activations are too many for shared memory.
    const int half = params.tokens / 2;
    launch_banded_down(of_tokens(params, 0, half), options);
    launch_banded_down(of_tokens(params, half, params.tokens - half), options);
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
  // Finds room next to a CTA of routed_experts.
  const bool is_early = params.tokens <= kNeighborlyTokens &&
                        bytes + kStaticBytes<experts::BandedShared> <= kNeighborBytes;
  pdl::launch(kBandedDownDeclaration, banded_kernel(params),
              {.grid = dim3((params.down.bands() + bands - 1) / bands),
               .block = dim3(experts::banded_threads(warpgroups)),
               .dynamic_shared_bytes = is_early ? bytes : std::max(bytes, kSpreadingBytes)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
