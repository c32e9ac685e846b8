#include <algorithm>

#include "step/kernels/attend/kernel.cuh"
#include "step/kernels/attend/launch.h"
#include "step/kernels/attend/plan.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kAttendDeclaration{
    .name = "attend",
    .symbol = SLIPSTREAM_STEP_NAME("attend_kernel"),
    .waits = true,
    .fields = kAttendFields,
};

namespace {

template <int kKeys, int kHeads>
void launch_tiles(const AttendParams& params, const pdl::LaunchOptions& options) {
  const auto kernel =
      params.fp8_rows ? attend_kernel<kKeys, kHeads, true> : attend_kernel<kKeys, kHeads, false>;
  const int tiles = (params.heads + kHeads - 1) / kHeads;
  const bool one_each = params.splits * tiles * params.tokens <= device_limits().multiprocessors;
  constexpr size_t kBytes = sizeof(attend::Shared<kKeys, kHeads>);
  pdl::launch(kAttendDeclaration, kernel,
              {.grid = dim3(params.splits, tiles, params.tokens),
               .block = dim3(attend::kThreads),
               .dynamic_shared_bytes = one_each ? std::max(kBytes, kSpreadingBytes) : kBytes},
              options, params);
}

}  // namespace

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options) {
  if (attention_heads(params.tokens, params.heads, params.most_keys) == kManyHeads) {
    launch_tiles<kManyKeys, kManyHeads>(params, options);
  } else if (params.most_keys <= params.splits * kFewKeys) {
    launch_tiles<kFewKeys, kFewHeads>(params, options);
  } else {
    launch_tiles<kManyKeys, kFewHeads>(params, options);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
