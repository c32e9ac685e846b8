#include "step/kernels/latent/kernel.cuh"
#include "step/kernels/latent/launch.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/linear/plan.h"

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
    case Breadth::kWide:
      return latent_kernel<Breadth::kWide>;
    case Breadth::kWidest:
      break;
  }
  return latent_kernel<Breadth::kWidest>;
}

}  // namespace

void launch_latent(LatentLaunch params, const pdl::LaunchOptions& options) {
  params.linear.staging_cost = NormSource::kCost;
  const LinearShape shape = plan_linear(params.linear, linear_limits());
  const int cluster = shape.cluster_ctas;
  const int cache_ctas = (params.linear.tokens + cluster - 1) / cluster * cluster;
  pdl::launch(kLatentDeclaration, kernel_of(params.linear.breadth()),
              {.grid = dim3(shape.ctas + cache_ctas),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = spread_bytes(shape),
               .cluster = dim3(cluster)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
