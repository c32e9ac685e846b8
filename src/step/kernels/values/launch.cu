#include "step/kernels/values/kernel.cuh"
#include "step/kernels/values/launch.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kValuesDeclaration{
    .name = "project_values",
    .symbol = SLIPSTREAM_STEP_NAME("values_kernel"),
    .waits = true,
    .fields = kValuesFields,
};

namespace {

// With one token, of which no two CTAs find room next to one of attend: there are sixteen clusters and
// multiprocessors for fifteen, so that one comes later, and ends with the others all the same. The
// next launch's CTAs then leave fewer multiprocessors empty and take fewer twice.
constexpr size_t kOneTokenBytes = size_t{40} * 1024;

// Parts of a token, over 4 to 16 pairs of lanes: what attention_splits() makes.
auto values_kernel_of(int tokens) {
  if (tokens <= values::kTokensPerPass) return values_kernel<1, 8>;
  return tokens <= 2 * values::kTokensPerPass ? values_kernel<2, 8> : values_kernel<4, 4>;
}

}  // namespace

void launch_values(const ValuesParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(kValuesDeclaration, values_kernel_of(params.tokens),
              {.grid = dim3(values::kSlices, params.w_uv.rows / values::kClusterRows),
               .block = dim3(values::kThreads),
               .dynamic_shared_bytes = params.tokens == 1 ? kOneTokenBytes : 0,
               .cluster = dim3(values::kSlices)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
