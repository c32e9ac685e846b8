#include <bit>

#include "step/kernels/attend/plan.h"
#include "step/kernels/values/kernel.cuh"
#include "step/kernels/values/launch.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kValuesDeclaration{
    .name = "project_values",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::values_kernel",
    .waits = true,
    .fields = kValuesFields,
};

void launch_values(const ValuesParams& params, const pdl::LaunchOptions& options) {
  const auto tokens = static_cast<int>(std::bit_ceil(static_cast<unsigned>(params.tokens)));
  const auto kernel = tokens * params.splits <= 16 * kFewParts ? values_kernel<kFewParts>
                                                               : values_kernel<kManyParts>;
  pdl::launch(kValuesDeclaration, kernel,
              {.grid = dim3(values::kSlices, params.w_uv.rows / values::kClusterRows),
               .block = dim3(values::kThreads),
               .cluster = dim3(values::kSlices)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
