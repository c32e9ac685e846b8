#include <algorithm>
#include <type_traits>

#include "slipstream/error.h"
#include "step/kernels/linear/kernel.cuh"
#include "step/kernels/linear/launch.h"
#include "step/kernels/linear/prepare.cuh"
#include "step/kernels/support/division.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kNormLinearDeclaration{
    .name = "norm_linear",
    .symbol = SLIPSTREAM_STEP_NAME("linear_kernel<") SLIPSTREAM_STEP_NAME("NormSource"),
    .waits = true,
    .fields = kNormLinearFields,
};

const pdl::KernelDeclaration kPeerNormLinearDeclaration{
    .name = "peer_norm_linear",
    .symbol = SLIPSTREAM_STEP_NAME("polling_linear_kernel<") SLIPSTREAM_STEP_NAME("PeerNormSource"),
    .waits = true,
    .fields = kNormLinearFields,
};

const pdl::KernelDeclaration kJoinedNormLinearDeclaration{
    .name = "joined_norm_linear",
    .symbol = SLIPSTREAM_STEP_NAME("linear_kernel<") SLIPSTREAM_STEP_NAME("JoinedNormSource"),
    .waits = true,
    .fields = kJoinedNormLinearFields,
};

const pdl::KernelDeclaration kPlainLinearDeclaration{
    .name = "plain_linear",
    .symbol = SLIPSTREAM_STEP_NAME("linear_kernel<") SLIPSTREAM_STEP_NAME("PlainSource"),
    .waits = true,
    .fields = kPlainLinearFields,
};

const pdl::KernelDeclaration kSiluLinearDeclaration{
    .name = "silu_linear",
    .symbol = SLIPSTREAM_STEP_NAME("linear_kernel<") SLIPSTREAM_STEP_NAME("SiluSource"),
    .waits = true,
    .fields = kSiluLinearFields,
};

const pdl::KernelDeclaration kPreparedLinearDeclaration{
    .name = "prepared_linear",
    .symbol = SLIPSTREAM_STEP_NAME("linear_kernel<") SLIPSTREAM_STEP_NAME("PreparedSource"),
    .waits = true,
    .fields = kPreparedLinearFields,
};

const pdl::KernelDeclaration kPrepareNormDeclaration{
    .name = "prepare_norm",
    .symbol = SLIPSTREAM_STEP_NAME("prepare_kernel<") SLIPSTREAM_STEP_NAME("NormSource"),
    .waits = true,
    .fields = kPrepareNormFields,
};

const pdl::KernelDeclaration kPreparePeerNormDeclaration{
    .name = "prepare_peer_norm",
    .symbol = SLIPSTREAM_STEP_NAME("prepare_kernel<") SLIPSTREAM_STEP_NAME("PeerNormSource"),
    .waits = true,
    .fields = kPrepareNormFields,
};

const pdl::KernelDeclaration kPreparePlainDeclaration{
    .name = "prepare_plain",
    .symbol = SLIPSTREAM_STEP_NAME("prepare_kernel<") SLIPSTREAM_STEP_NAME("PlainSource"),
    .waits = true,
    .fields = kPreparePlainFields,
};

const ClusterLimits& linear_limits() {
  return cluster_limits(
      reinterpret_cast<const void*>(&linear_kernel<PlainSource, Breadth::kNarrow>));
}

namespace {

// The launch before this one ends once its stores are acknowledged, and on their way back to a
// multiprocessor acknowledgements queue after all that it has asked for. Where that launch is short,
// its end would come after this one's weights instead of before them.
constexpr int kPlainEarlySlots = 2;
constexpr int kThreeEarlySlots = 1;  // of three tokens (measured on an H200)
// With few tokens the rings are smaller as well: what the launches before and after ask for does not
// queue after so much, and CTAs find room sooner (docs/notes/2026-11-29-late-ctas.md).
constexpr int kFewSlots = 4;
constexpr int kFewSlotsTokens = 3;
// From so many tokens on a launch of its own makes the operands, if it is given room for them; of a norm
// also from a few on, if a cluster would norm so many groups of columns (docs/notes/2026-11-30-norm-once.md);
// behind polls it also saves that every cluster reads what all ranks send. Where there are many rows, fewer groups
// are enough, with however few tokens (docs/notes/2026-12-01-prepared-many-rows.md).
constexpr int kPreparedTokens = 9;
constexpr int kPreparedFewTokens = 5;
constexpr int kPreparedPlaces = 128;
constexpr int kManyTiles = 512;
constexpr int kPreparedPlacesOfMany = 72;

// There are many, so none that no step launches: of the widest, as a step gives room for operands and
// is_prepared() then says yes; and for numbers of ranks that divide no released model, only the one that
// stages any number of columns.
template <class Source>
auto polling_kernel_of(Breadth breadth) {
  constexpr bool kAnyRanks = std::is_same_v<Source, PeerNormSource<0>>;
  if constexpr (kAnyRanks) {
    if (breadth != Breadth::kWidest) return polling_linear_kernel<Source, Breadth::kWide>;
  } else {
    switch (breadth) {
      case Breadth::kFine:
        return polling_linear_kernel<Source, Breadth::kFine>;
      case Breadth::kNarrow:
        return polling_linear_kernel<Source, Breadth::kNarrow>;
      case Breadth::kMiddle:
        return polling_linear_kernel<Source, Breadth::kMiddle>;
      case Breadth::kWide:
        return polling_linear_kernel<Source, Breadth::kWide>;
      case Breadth::kWidest:
        break;
    }
  }
  throw InvalidArgument("operands of a norm that polls for more than 8 tokens must not be null");
}

template <class Source>
auto kernel_of(const LinearParams& params) {
  if constexpr (std::is_same_v<Source, PreparedSource>) {
    // A copy has no breadth.
    return token_tiles(params.breadth()) == 1 ? linear_kernel<Source, Breadth::kWide>
                                              : linear_kernel<Source, Breadth::kWidest>;
  } else if constexpr (Source::kPolls) {
    return polling_kernel_of<Source>(params.is_fine() ? Breadth::kFine : params.breadth());
  } else {
    switch (params.breadth()) {
      case Breadth::kNarrow:
        return linear_kernel<Source, Breadth::kNarrow>;
      case Breadth::kMiddle:
        return linear_kernel<Source, Breadth::kMiddle>;
      case Breadth::kWide:
        return linear_kernel<Source, Breadth::kWide>;
      case Breadth::kWidest:
      case Breadth::kFine:
        break;
    }
    return linear_kernel<Source, Breadth::kWidest>;
  }
}

// Whether activations go ahead of most weights. Polls in rounds, which come after the wait, take so long
// that weights which wait for them come too late.
template <class Source>
bool waits_with_weights(const LinearParams& params) {
  const Breadth breadth = params.breadth();
  const bool in_rounds = breadth == Breadth::kWide || breadth == Breadth::kWidest;
  return std::is_base_of_v<NormSource, Source> && !(Source::kPolls && in_rounds) &&
         !is_long(params);
}

// With one token CTAs stay so small that one of the launch before and one of the launch after find
// room next to them, and lie where fewest others are; with two one of these finds room. More tokens
// take so much that neither does, unless the launch before leaves room for it: there it counts most that no
// two of this launch share a multiprocessor. So it does where there is so much to multiply that an early
// start is nothing.
template <class Source>
size_t asked_bytes(const LinearParams& linear, const LinearShape& shape) {
  if (linear.spreads) return std::max(shape.shared_bytes, kSpreadingBytes);
  constexpr bool kMaySpread = Source::kNormalizes || std::is_same_v<Source, PreparedSource>;
  const bool spreads = kMaySpread && (linear.tokens > linear.small_rows || is_long(linear));
  return spreads ? spread_bytes(shape) : shape.shared_bytes;
}

template <class Source>
void launch(const pdl::KernelDeclaration& declaration, LinearLaunch<typename Source::Input> params,
            const pdl::LaunchOptions& options) {
  params.linear.staging_cost = Source::kCost;
  const LinearShape shape = plan_linear(params.linear, linear_limits());
  if (waits_with_weights<Source>(params.linear)) {
    params.linear.early_slots = std::min(params.linear.early_slots, kNormEarlySlots);
  }
  pdl::launch(declaration, kernel_of<Source>(params.linear),
              {.grid = dim3(shape.ctas),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = asked_bytes<Source>(params.linear, shape),
               .cluster = dim3(shape.cluster_ctas),
               .balances_clusters = params.linear.tokens == 1 && shape.cluster_ctas > 1},
              options, params);
}

// Calls `visit` with the type of what brings the rows. Polls of 2, 4 and 8 ranks have kernels of
// their own, in which distances are constant.
template <class Visit>
void with_source_of(const NormInput& input, const Visit& visit) {
  switch (input.polled.ranks) {
    case 0:
      return visit(std::type_identity<NormSource>{});
    case 2:
      return visit(std::type_identity<PeerNormSource<2>>{});
    case 4:
      return visit(std::type_identity<PeerNormSource<4>>{});
    case 8:
      return visit(std::type_identity<PeerNormSource<8>>{});
    default:
      return visit(std::type_identity<PeerNormSource<0>>{});
  }
}

bool any_segment(const LinearParams& linear, bool is_fp8) {
  return std::any_of(linear.segments, linear.segments + linear.segment_count,
                     [&](const Segment& segment) { return segment.matrix.is_fp8 == is_fp8; });
}

// Which of a token's groups of columns a CTA prepares, and with how many threads: so few that one look at what
// is polled for is enough.
struct PreparingShape {
  int cluster_ctas = 1;
  int threads = 0;

  explicit PreparingShape(const LinearParams& linear) {
    const int most = std::min(kMaxClusterCtas, linear.groups());
    while (cluster_ctas * 2 <= most && linear_limits().most(cluster_ctas * 2) > 0) {
      cluster_ctas *= 2;
    }
    threads = ceil_div(linear.groups(), cluster_ctas) * kPreparingLanes;
  }
};

bool can_prepare(const LinearParams& linear, pdl::Produced<unsigned char> operands) {
  constexpr int kRegisters = 65536;  // of a multiprocessor
  constexpr int kMostThreads = kRegisters / kPreparingRegisters / 32 * 32;
  return operands.get() != nullptr && PreparingShape(linear).threads <= kMostThreads;
}

template <class Source>
void prepare(const pdl::KernelDeclaration& declaration, const LinearParams& linear,
             const typename Source::Input& input, const pdl::LaunchOptions& options) {
  const PreparingShape shape(linear);
  const PrepareLaunch<typename Source::Input> params{.tokens = linear.tokens,
                                                     .group_count = linear.groups(),
                                                     .cluster_ctas = shape.cluster_ctas,
                                                     .ue8m0 = linear.ue8m0,
                                                     .as_codes = any_segment(linear, true),
                                                     .as_values = any_segment(linear, false),
                                                     .input = input};
  pdl::launch(declaration, prepare_kernel<Source>,
              {.grid = dim3(params.tokens * shape.cluster_ctas),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = sizeof(float) * params.group_count * params.tokens,
               .cluster = dim3(shape.cluster_ctas)},
              options, params);
}

void launch_prepared(const LinearParams& linear, pdl::Produced<unsigned char> operands,
                     const pdl::LaunchOptions& options) {
  const int tiles = linear.tile_count();
  const int launches = linear.clusters > 0 ? 1 : launches_needed(linear, linear_limits());
  for (int i = 0; i < launches; ++i) {
    LinearLaunch<PreparedInput> params{linear, {{operands.get()}}};
    if (launches > 1) {
      params.linear = tiles_of(linear, tiles * i / launches, tiles * (i + 1) / launches);
    }
    params.linear.early_slots = kMaxRingSlots;  // nothing of this launch waits behind them
    launch<PreparedSource>(kPreparedLinearDeclaration, params, options);
  }
}

}  // namespace

bool is_prepared(const LinearParams& linear, const NormInput& input) {
  const int places = linear.tokens * linear.groups();
  const bool pays = linear.tokens >= kPreparedTokens ||
                    (linear.tokens >= kPreparedFewTokens && places >= kPreparedPlaces) ||
                    (linear.tile_count() >= kManyTiles && places >= kPreparedPlacesOfMany);
  return pays && can_prepare(linear, input.operands);
}

void launch_prepare(const LinearParams& linear, const NormInput& input,
                    const pdl::LaunchOptions& options) {
  with_source_of(input, [&](auto source) {
    using Source = typename decltype(source)::type;
    prepare<Source>(Source::kPolls ? kPreparePeerNormDeclaration : kPrepareNormDeclaration, linear,
                    input, options);
  });
}

void launch_norm_linear(LinearLaunch<NormInput> params, const pdl::LaunchOptions& options) {
  if (is_prepared(params.linear, params.input)) {
    launch_prepare(params.linear, params.input, options);
    launch_prepared(params.linear, params.input.operands, options);
    return;
  }
  with_source_of(params.input, [&](auto source) {
    using Source = typename decltype(source)::type;
    launch<Source>(Source::kPolls ? kPeerNormLinearDeclaration : kNormLinearDeclaration, params,
                   options);
  });
}

void launch_joined_norm_linear(LinearLaunch<JoinedNormInput> params,
                               const pdl::LaunchOptions& options) {
  launch<JoinedNormSource>(kJoinedNormLinearDeclaration, params, options);
}

void launch_plain_linear(LinearLaunch<PlainInput> params, const pdl::LaunchOptions& options) {
  if (params.linear.tokens >= kPreparedTokens &&
      can_prepare(params.linear, params.input.operands)) {
    prepare<PlainSource>(kPreparePlainDeclaration, params.linear, params.input, options);
    launch_prepared(params.linear, params.input.operands, options);
    return;
  }
  params.linear.early_slots = params.linear.tokens == 3 ? kThreeEarlySlots : kPlainEarlySlots;
  if (params.linear.tokens <= kFewSlotsTokens) params.linear.most_slots = kFewSlots;
  launch<PlainSource>(kPlainLinearDeclaration, params, options);
}

void launch_silu_linear(LinearLaunch<SiluInput> params, const pdl::LaunchOptions& options) {
  launch<SiluSource>(kSiluLinearDeclaration, params, options);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
