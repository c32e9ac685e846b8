#include "step/kernels/sample/kernel.cuh"
#include "step/kernels/sample/launch.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kSampleDeclaration{
    .name = "sample",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::sample_kernel",
    .waits = true,
    .fields = kSampleFields,
};

void launch_sample(const SampleParams& params, const pdl::LaunchOptions& options) {
  const auto kernel = params.ranks.peers.ranks > 0 ? sample_kernel<true> : sample_kernel<false>;
  pdl::launch(kSampleDeclaration, kernel,
              {.grid = dim3(params.tokens), .block = dim3(kSampleThreads)}, options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
