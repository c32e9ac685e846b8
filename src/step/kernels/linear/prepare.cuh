// Makes the operands of a product of many tokens: sums, norm and quantization once, instead of in every
// CTA of the product; the next launch copies what it needs (OperandCopier). A cluster for each token, 32
// lanes for each group of its columns.
//
// PDL: the norm's gamma and the barrier before the wait; activations and operands after it.
#pragma once

#include "slipstream/pdl.cuh"
#include "step/kernels/linear/operands.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/linear/sources.cuh"
#include "step/kernels/linear/stage.cuh"
#include "step/kernels/linear/work.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kPreparingLanes = kFineLanes;
// A CTA fits next to one of a product.
inline constexpr int kPreparingRegisters = 72;

template <class Source>
__global__ void __maxnreg__(kPreparingRegisters)
    prepare_kernel(const __grid_constant__ PrepareLaunch<typename Source::Input> params) {
  extern __shared__ __align__(
      128) float squares[];  // [token][group], of which one token's are used
  __shared__ uint64_t squares_arrived;
  [[maybe_unused]] const LaunchScope scope{};
  const CtaWork work(params, this_cta().index);
  const Source source(params.input);
  OneRoundStager<Source, kPreparingLanes, PrepareLaunch<typename Source::Input>> stager(
      params, work, source, squares, &squares_arrived);
  // Early, so that the product's weights are on their way while this launch waits and works.
  pdl::trigger();
  if (params.cluster_ctas > 1) {
    if (threadIdx.x == 0) {
      cuda::initialize_barrier(&squares_arrived, 1);
      cuda::publish_barriers();
      cuda::expect_bytes(&squares_arrived, params.groups() * 4);
    }
    cuda::cluster_arrive_relaxed();
  }
  stager.prefetch();
  if (params.cluster_ctas > 1) cuda::cluster_wait();
  pdl::wait();
  // slipstream-check: allow R14: no CTA passes stage() before all that is sent to it has arrived
  stager.stage(Operands(params, work.first_group), [](int /*slots*/) {});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
