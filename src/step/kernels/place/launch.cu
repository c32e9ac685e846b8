#include "step/kernels/place/kernel.cuh"
#include "step/kernels/place/launch.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kPlaceDeclaration{
    .name = "place",
    .symbol = SLIPSTREAM_STEP_NAME("place_kernel"),
    .waits = true,
    .fields = kPlaceFields,
};

void launch_place(const PlaceParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(kPlaceDeclaration, place_kernel, {.grid = dim3(1), .block = dim3(kPlaceThreads)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
