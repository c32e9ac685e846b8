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

template <class T>
void launch_tiles(const AttendParams& params, const pdl::LaunchOptions& options) {
  const auto kernel = params.fp8_rows ? attend_kernel<T, true> : attend_kernel<T, false>;
  const int tiles = (params.heads + T::kHeads - 1) / T::kHeads;
  const bool one_each = params.splits * tiles * params.tokens <= device_limits().multiprocessors;
  constexpr size_t kBytes = sizeof(attend::Shared<T>);
  pdl::launch(kAttendDeclaration, kernel,
              {.grid = dim3(params.splits, tiles, params.tokens),
               .block = dim3(T::kThreads),
               .dynamic_shared_bytes = one_each ? std::max(kBytes, kSpreadingBytes) : kBytes},
              options, params);
}

// Of three and four tokens a CTA has up to 64 keys: more warps, and all of the keys at once. Heads that do not
// exist cost there.
void launch_many_heads(const AttendParams& params, const pdl::LaunchOptions& options) {
  using attend::Tiling;
  constexpr int kTallKeys = 2 * kManyKeys;
  constexpr int kTallTokens = 4;
  if (params.tokens > kTallTokens || params.most_keys > params.splits * kTallKeys) {
    launch_tiles<Tiling<kManyKeys, kManyHeads, 8, 2>>(params, options);
  } else if (params.most_keys <= params.splits * kManyKeys) {
    launch_tiles<Tiling<kManyKeys, kManyHeads, 16, 1>>(params, options);
  } else if (params.heads <= kFewHeads) {
    launch_tiles<Tiling<kTallKeys, kFewHeads, 16, 1>>(params, options);
  } else {
    launch_tiles<Tiling<kTallKeys, kManyHeads, 16, 1>>(params, options);
  }
}

}  // namespace

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options) {
  using attend::Tiling;
  if (attention_heads(params.tokens, params.heads, params.most_keys) == kManyHeads) {
    launch_many_heads(params, options);
  } else if (params.most_keys <= params.splits * kFewKeys) {
    launch_tiles<Tiling<kFewKeys, kFewHeads, 8, 1>>(params, options);
  } else {
    launch_tiles<Tiling<kManyKeys, kFewHeads, 8, 1>>(params, options);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
