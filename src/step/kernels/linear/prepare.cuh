// Makes the operands of a product of many tokens: sums, norm and quantization once, instead of in every
// CTA of the product. A CTA for each token, eight lanes for each group of its columns; the next launch
// copies what it needs (OperandCopier).
//
// PDL: the norm's gamma before the wait; activations and operands after it.
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

inline constexpr int kPreparingLanes = kMiddleLanes;
// Of 7168 columns, 14 warps: a CTA fits next to one of a product.
inline constexpr int kPreparingRegisters = 72;

template <class Source>
__global__ void __maxnreg__(kPreparingRegisters)
    prepare_kernel(const __grid_constant__ PrepareLaunch<typename Source::Input> params) {
  extern __shared__ __align__(
      128) float squares[];  // [token][group], of which one token's are used
  [[maybe_unused]] const LaunchScope scope{};
  const CtaWork work(this_cta().index, params.groups());
  const Source source(params.input);
  OneRoundStager<Source, kPreparingLanes, PrepareLaunch<typename Source::Input>> stager(
      params, work, source, squares, nullptr);
  // Early, so that the product's weights are on their way while this launch waits and works.
  pdl::trigger();
  stager.prefetch();
  pdl::wait();
  stager.stage(Operands(params), [] {});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
