#include "step/kernels/attend/kernel.cuh"
#include "step/kernels/attend/launch.h"
#include "step/kernels/attend/plan.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kAttendDeclaration{
    .name = "attend",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::attend_kernel",
    .waits = true,
    .fields = kAttendFields,
};

namespace {

template <int kKeys>
void launch(const AttendParams& params, const pdl::LaunchOptions& options) {
  const auto kernel = params.fp8_rows ? attend_kernel<kKeys, true> : attend_kernel<kKeys, false>;
  pdl::launch(kAttendDeclaration, kernel,
              {.grid = dim3(params.splits, attention_head_tiles(params.heads), params.tokens),
               .block = dim3(attend::kThreads),
               .dynamic_shared_bytes = sizeof(attend::Shared<kKeys>)},
              options, params);
}

}  // namespace

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options) {
  if (params.most_keys <= params.splits * kFewKeys) {
    launch<kFewKeys>(params, options);
  } else {
    launch<kManyKeys>(params, options);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
