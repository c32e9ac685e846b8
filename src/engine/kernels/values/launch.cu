#include "engine/kernels/values/kernel.cuh"
#include "engine/kernels/values/launch.h"

namespace slipstream::engine::kernels {

const pdl::KernelDeclaration kValuesDeclaration{
    .name = "project_values",
    .symbol = "slipstream::engine::kernels::values_kernel",
    .waits = true,
    .fields = kValuesFields,
};

void launch_values(const ValuesParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(kValuesDeclaration, values_kernel,
              {.grid = dim3(params.w_uv.tile_count()), .block = dim3(values::kWarps * 32)}, options,
              params);
}

}  // namespace slipstream::engine::kernels
