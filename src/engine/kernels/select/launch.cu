#include "engine/kernels/select/kernel.cuh"
#include "engine/kernels/select/launch.h"

namespace slipstream::engine::kernels {

const pdl::KernelDeclaration kSelectDeclaration{
    .name = "select_keys",
    .symbol = "slipstream::engine::kernels::select_kernel",
    .waits = true,
    .fields = kSelectFields,
};

void launch_select(const SelectParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(kSelectDeclaration, select_kernel,
              {.grid = dim3(params.tokens), .block = dim3(kSelectThreads)}, options, params);
}

}  // namespace slipstream::engine::kernels
