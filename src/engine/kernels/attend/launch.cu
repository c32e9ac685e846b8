#include <algorithm>

#include "engine/kernels/attend/kernel.cuh"
#include "engine/kernels/attend/launch.h"

namespace slipstream::engine::kernels {

const pdl::KernelDeclaration kAttendDeclaration{
    .name = "attend",
    .symbol = "slipstream::engine::kernels::attend_kernel",
    .waits = true,
    .fields = kAttendFields,
};

namespace {

constexpr int kMostSplits = 32;
constexpr int kCtasWanted = 264;  // two for each SM of an H200

int head_tiles(int heads) { return (heads + attend::kHeads - 1) / attend::kHeads; }

}  // namespace

int attention_splits(int tokens, int heads, int keys) {
  const int chunks = (keys + attend::kKeys - 1) / attend::kKeys;
  const int wanted = std::max(1, kCtasWanted / (tokens * head_tiles(heads)));
  return std::min({chunks, wanted, kMostSplits});
}

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(kAttendDeclaration, attend_kernel,
              {.grid = dim3(params.splits, head_tiles(params.heads), params.tokens),
               .block = dim3(attend::kWarps * 32),
               .dynamic_shared_bytes = sizeof(attend::Shared)},
              options, params);
}

}  // namespace slipstream::engine::kernels
