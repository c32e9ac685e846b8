#include <algorithm>
#include <bit>

#include "step/kernels/attend/kernel.cuh"
#include "step/kernels/attend/launch.h"

namespace slipstream::step::kernels {

const pdl::KernelDeclaration kAttendDeclaration{
    .name = "attend",
    .symbol = "slipstream::step::kernels::attend_kernel",
    .waits = true,
    .fields = kAttendFields,
};

namespace {

constexpr int kFewKeys = 16;  // a CTA takes at a time
constexpr int kManyKeys = 32;

int head_tiles(int heads) { return (heads + attend::kHeads - 1) / attend::kHeads; }

int ceil_divide(int a, int b) { return (a + b - 1) / b; }

template <int kKeys>
void launch(const AttendParams& params, const pdl::LaunchOptions& options) {
  const auto kernel = params.fp8_rows ? attend_kernel<kKeys, true> : attend_kernel<kKeys, false>;
  pdl::launch(kAttendDeclaration, kernel,
              {.grid = dim3(params.splits, head_tiles(params.heads), params.tokens),
               .block = dim3(attend::kThreads),
               .dynamic_shared_bytes = sizeof(attend::Shared<kKeys>)},
              options, params);
}

}  // namespace

int attention_splits(int tokens, int heads, int keys) {
  // One CTA for each SM of an H200 while their keys come in one go, else two.
  const bool few = tokens < 8;
  const unsigned wanted = std::max(1, (few ? 128 : 256) / (tokens * head_tiles(heads)));
  const unsigned filled = ceil_divide(keys, few ? kFewKeys : kManyKeys);
  const auto splits = static_cast<int>(std::min(std::bit_floor(wanted), std::bit_ceil(filled)));
  return std::max(splits, few ? kFewPartsGroup : kManyPartsGroup);
}

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options) {
  if (params.most_keys <= params.splits * kFewKeys) {
    launch<kFewKeys>(params, options);
  } else {
    launch<kManyKeys>(params, options);
  }
}

}  // namespace slipstream::step::kernels
