#include <algorithm>
#include <string>

#include "slipstream/error.h"
#include "step/kernels/latent/kernel.cuh"
#include "step/kernels/latent/launch.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/linear/plan.h"
#include "step/kernels/support/division.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kLatentDeclaration{
    .name = "project_latent",
    .symbol = SLIPSTREAM_STEP_NAME("latent_kernel<") SLIPSTREAM_STEP_NAME("NormSource"),
    .waits = true,
    .fields = kLatentFields,
};

const pdl::KernelDeclaration kPreparedLatentDeclaration{
    .name = "project_prepared_latent",
    .symbol = SLIPSTREAM_STEP_NAME("latent_kernel<") SLIPSTREAM_STEP_NAME("PreparedSource"),
    .waits = true,
    .fields = kPreparedLatentFields,
};

namespace {

auto latent_kernel_of(const LatentLaunch& params) {
  switch (params.linear.breadth()) {
    case Breadth::kNarrow:
      return latent_kernel<NormSource, Breadth::kNarrow>;
    case Breadth::kMiddle:
      return latent_kernel<NormSource, Breadth::kMiddle>;
    case Breadth::kWide:
      return latent_kernel<NormSource, Breadth::kWide>;
    case Breadth::kFine:
    case Breadth::kWidest:
      break;
  }
  // Of the widest there is none: a step gives room for the operands (linear/launch.h).
  throw InvalidArgument(
      "a latent of more than 8 tokens must have room for its operands and at most 16384 columns, "
      "has " +
      std::to_string(params.input.columns));
}
auto latent_kernel_of(const PreparedLatentLaunch& params) {
  return token_tiles(params.linear.breadth()) == 1
             ? latent_kernel<PreparedSource, Breadth::kWide>
             : latent_kernel<PreparedSource, Breadth::kWidest>;
}

// Nothing else covers the staging of this launch, which has few weights for each CTA.
constexpr int kWideCost = 20;

// Leaves room for the CTAs that write caches: otherwise they would start when others end, and so late
// would they let the next launch start. Few multiprocessors are all needed for the products.
ClusterLimits limits_next_to(int writers) {
  constexpr int kMostOfAll = 16;  // one multiprocessor in so many
  ClusterLimits limits = linear_limits();
  if (writers * kMostOfAll > limits.clusters[0]) return limits;
  for (int i = 0; i < 4; ++i) {
    int& clusters = limits.clusters[i];
    clusters = std::max(clusters - ceil_div(writers, 1 << i), std::min(clusters, 1));
  }
  return limits;
}

template <class Launch>
void launch_blocks(const pdl::KernelDeclaration& declaration, Launch params,
                   const pdl::LaunchOptions& options) {
  const int writers = ceil_div(params.linear.tokens, latent::kWriterTokens);
  const LinearShape shape = plan_linear(params.linear, limits_next_to(writers));
  const int cluster = shape.cluster_ctas;
  const int writer_ctas = ceil_div(writers, cluster) * cluster;
  pdl::launch(declaration, latent_kernel_of(params),
              {.grid = dim3(shape.ctas + writer_ctas),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = spread_bytes(shape),
               .cluster = dim3(cluster)},
              options, params);
}

}  // namespace

void launch_latent(LatentLaunch params, const pdl::LaunchOptions& options) {
  if (is_prepared(params.linear, params.input)) {
    launch_prepare(params.linear, params.input, options);
    params.linear.early_slots = kMaxRingSlots;  // nothing of this launch waits behind them
    launch_blocks(
        kPreparedLatentDeclaration,
        PreparedLatentLaunch{params.linear, {{params.input.operands.get()}}, params.cache},
        options);
    return;
  }
  params.linear.staging_cost = NormSource::kCost;
  params.linear.staging_cost.wide = kWideCost;
  params.linear.early_slots = std::min(params.linear.early_slots, kNormEarlySlots);
  launch_blocks(kLatentDeclaration, params, options);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
