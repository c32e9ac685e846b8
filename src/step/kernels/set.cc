// Compiled once for each variant.
#include "step/kernels/set.h"

#include "step/kernels/attend/launch.h"
#include "step/kernels/experts/launch.h"
#include "step/kernels/latent/launch.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/place/launch.h"
#include "step/kernels/sample/launch.h"
#include "step/kernels/scores/launch.h"
#include "step/kernels/select/launch.h"
#include "step/kernels/values/launch.h"

namespace slipstream::step::kernels {

#if defined(SLIPSTREAM_INSTRUMENT)
const Set& instrumented_set() {
#else
const Set& plain_set() {
#endif
  static constexpr Set kSet{.norm_linear = launch_norm_linear,
                            .joined_norm_linear = launch_joined_norm_linear,
                            .plain_linear = launch_plain_linear,
                            .silu_linear = launch_silu_linear,
                            .latent = launch_latent,
                            .scores = launch_scores,
                            .select = launch_select,
                            .attend = launch_attend,
                            .values = launch_values,
                            .routed = launch_routed,
                            .down = launch_down,
                            .place = launch_place,
                            .sample = launch_sample,
                            .verify = launch_verify,
                            .draw = launch_draw};
  return kSet;
}

}  // namespace slipstream::step::kernels
