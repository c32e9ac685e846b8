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

template <int kKeys, int kHeads>
void launch(const AttendParams& params, const pdl::LaunchOptions& options) {
  const auto kernel =
      params.fp8_rows ? attend_kernel<kKeys, kHeads, true> : attend_kernel<kKeys, kHeads, false>;
  const unsigned tiles = (params.heads + kHeads - 1) / kHeads;
  pdl::launch(kAttendDeclaration, kernel,
              {.grid = dim3(params.splits, tiles, params.tokens),
               .block = dim3(attend::kThreads),
               .dynamic_shared_bytes = sizeof(attend::Shared<kKeys, kHeads>)},
              options, params);
}

}  // namespace

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options) {
  if (attention_heads(params.tokens, params.heads, params.most_keys) == kManyHeads) {
    launch<kManyKeys, kManyHeads>(params, options);
  } else if (params.most_keys <= params.splits * kFewKeys) {
    launch<kFewKeys, kFewHeads>(params, options);
  } else {
    launch<kManyKeys, kFewHeads>(params, options);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
