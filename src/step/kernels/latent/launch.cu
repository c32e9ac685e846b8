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

void launch_latent(LatentLaunch params, const pdl::LaunchOptions& options) {
  const LinearShape shape = plan_linear(params.linear, linear_limits());
  const auto kernel = params.linear.tokens <= 8 ? latent_kernel<1> : latent_kernel<2>;
  const int cluster = shape.cluster_ctas;
  const int cache_ctas = (params.linear.tokens + cluster - 1) / cluster * cluster;
  pdl::launch(kLatentDeclaration, kernel,
              {.grid = dim3(shape.ctas + cache_ctas),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = spread_bytes(shape),
               .cluster = dim3(cluster)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
