#include "engine/kernels/sample/kernel.cuh"
#include "engine/kernels/sample/launch.h"

namespace slipstream::engine::kernels {

const pdl::KernelDeclaration kSampleDeclaration{
    .name = "sample",
    .symbol = "slipstream::engine::kernels::sample_kernel",
    .waits = true,
    .fields = kSampleFields,
};

void launch_sample(const SampleParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(kSampleDeclaration, sample_kernel,
              {.grid = dim3(params.tokens), .block = dim3(kSampleThreads)}, options, params);
}

}  // namespace slipstream::engine::kernels
