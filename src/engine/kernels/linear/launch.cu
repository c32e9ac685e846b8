#include <algorithm>

#include "engine/kernels/linear/kernel.cuh"
#include "engine/kernels/linear/launch.h"

namespace slipstream::engine::kernels {

const pdl::KernelDeclaration kNormLinearDeclaration{
    .name = "norm_linear",
    .symbol = "slipstream::engine::kernels::linear_kernel<slipstream::engine::kernels::NormSource",
    .waits = true,
    .fields = kNormLinearFields,
};

const pdl::KernelDeclaration kPlainLinearDeclaration{
    .name = "plain_linear",
    .symbol = "slipstream::engine::kernels::linear_kernel<slipstream::engine::kernels::PlainSource",
    .waits = true,
    .fields = kPlainLinearFields,
};

const pdl::KernelDeclaration kSiluLinearDeclaration{
    .name = "silu_linear",
    .symbol = "slipstream::engine::kernels::linear_kernel<slipstream::engine::kernels::SiluSource",
    .waits = true,
    .fields = kSiluLinearFields,
};

const pdl::KernelDeclaration kCombineLinearDeclaration{
    .name = "combine_linear",
    .symbol =
        "slipstream::engine::kernels::linear_kernel<slipstream::engine::kernels::CombineSource",
    .waits = true,
    .fields = kCombineLinearFields,
};

namespace {

// Rings and static shared memory leave room for a second CTA on an SM: the next kernel's, whose
// weights arrive while this one multiplies.
constexpr int kMostSlots = 5;

template <class Source>
void launch(const pdl::KernelDeclaration& declaration, LinearLaunch<typename Source::Input> params,
            const pdl::LaunchOptions& options) {
  const LinearShape shape = plan_linear(params.linear);
  const auto kernel =
      params.linear.tokens <= 8 ? linear_kernel<Source, 1> : linear_kernel<Source, 2>;
  pdl::launch(declaration, kernel,
              {.grid = dim3(params.linear.tile_count()),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = shape.ring_bytes},
              options, params);
}

}  // namespace

LinearShape plan_linear(LinearParams& params, int least_warps) {
  int groups = 1;
  int chunks = 1;
  for (int i = 0; i < params.segment_count; ++i) {
    const PackedMatrix& matrix = params.segments[i].matrix;
    groups = std::max(groups, matrix.groups());
    chunks = std::max(chunks, matrix.groups() * matrix.chunks_per_group());
  }
  const int warps = std::max(std::min(groups, kMaxWarps), least_warps);
  params.ring_slots = std::min((chunks + warps - 1) / warps, kMostSlots);
  return {warps * 32, static_cast<std::size_t>(warps) * params.ring_slots * kChunkBytes};
}

void launch_norm_linear(LinearLaunch<NormInput> params, const pdl::LaunchOptions& options) {
  launch<NormSource>(kNormLinearDeclaration, params, options);
}

void launch_plain_linear(LinearLaunch<PlainInput> params, const pdl::LaunchOptions& options) {
  launch<PlainSource>(kPlainLinearDeclaration, params, options);
}

void launch_silu_linear(LinearLaunch<SiluInput> params, const pdl::LaunchOptions& options) {
  launch<SiluSource>(kSiluLinearDeclaration, params, options);
}

void launch_combine_linear(LinearLaunch<CombineInput> params, const pdl::LaunchOptions& options) {
  launch<CombineSource>(kCombineLinearDeclaration, params, options);
}

}  // namespace slipstream::engine::kernels
