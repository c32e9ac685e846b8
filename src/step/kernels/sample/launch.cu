#include "step/kernels/sample/drafts.cuh"
#include "step/kernels/sample/kernel.cuh"
#include "step/kernels/sample/launch.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kSampleDeclaration{
    .name = "sample",
    .symbol = SLIPSTREAM_STEP_NAME("sample_kernel"),
    .waits = true,
    .fields = kSampleFields,
};

const pdl::KernelDeclaration kVerifyDeclaration{
    .name = "verify_drafts",
    .symbol = SLIPSTREAM_STEP_NAME("verify_kernel"),
    .waits = true,
    .fields = kDraftFields,
};

const pdl::KernelDeclaration kDrawDeclaration{
    .name = "draw_drafts",
    .symbol = SLIPSTREAM_STEP_NAME("draw_kernel"),
    .waits = true,
    .fields = kDraftFields,
};

void launch_sample(const SampleParams& params, const pdl::LaunchOptions& options) {
  const auto kernel = params.ranks.peers.ranks > 0 ? sample_kernel<true> : sample_kernel<false>;
  pdl::launch(kSampleDeclaration, kernel,
              {.grid = dim3(params.tokens), .block = dim3(kSampleThreads)}, options, params);
}

void launch_verify(const DraftParams& params, const pdl::LaunchOptions& options) {
  const auto kernel =
      params.sample.ranks.peers.ranks > 0 ? verify_kernel<true> : verify_kernel<false>;
  pdl::launch(kVerifyDeclaration, kernel,
              {.grid = dim3(params.sample.tokens),
               .block = dim3(kSampleThreads),
               .cluster = dim3(params.drafts + 1)},
              options, params);
}

void launch_draw(const DraftParams& params, const pdl::LaunchOptions& options) {
  const auto kernel = params.sample.ranks.peers.ranks > 0 ? draw_kernel<true> : draw_kernel<false>;
  pdl::launch(kDrawDeclaration, kernel,
              {.grid = dim3(params.sample.tokens), .block = dim3(kSampleThreads)}, options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
