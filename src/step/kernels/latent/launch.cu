#include <algorithm>

#include "step/kernels/latent/kernel.cuh"
#include "step/kernels/latent/launch.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/linear/plan.h"
#include "step/kernels/support/division.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kLatentDeclaration{
    .name = "project_latent",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::latent_kernel",
    .waits = true,
    .fields = kLatentFields,
};

namespace {

auto kernel_of(Breadth breadth) {
  switch (breadth) {
    case Breadth::kNarrow:
      return latent_kernel<Breadth::kNarrow>;
    case Breadth::kMiddle:
      return latent_kernel<Breadth::kMiddle>;
    case Breadth::kWide:
      return latent_kernel<Breadth::kWide>;
    case Breadth::kFine:
    case Breadth::kWidest:
      break;
  }
  return latent_kernel<Breadth::kWidest>;
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

}  // namespace

void launch_latent(LatentLaunch params, const pdl::LaunchOptions& options) {
  params.linear.staging_cost = NormSource::kCost;
  params.linear.staging_cost.wide = kWideCost;
  params.linear.early_slots = kNormEarlySlots;
  const int writers = ceil_div(params.linear.tokens, latent::kWriterTokens);
  const LinearShape shape = plan_linear(params.linear, limits_next_to(writers));
  const int cluster = shape.cluster_ctas;
  const int writer_ctas = ceil_div(writers, cluster) * cluster;
  pdl::launch(kLatentDeclaration, kernel_of(params.linear.breadth()),
              {.grid = dim3(shape.ctas + writer_ctas),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = spread_bytes(shape),
               .cluster = dim3(cluster)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
