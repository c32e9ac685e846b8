// The gate of the experts: [M, K] x [E, K] for 1 to 16 tokens.
#include "ops/skinny_gemm/launch.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

void dsv3_router_gemm(const Tensor& hidden_states, const Tensor& router_weights,
                      const Tensor& output, const LaunchOptions& options) {
  const SkinnyGemmParams params = check_skinny_gemm({.operator_name = "dsv3_router_gemm",
                                                     .activations_name = "hidden_states",
                                                     .weights_name = "router_weights",
                                                     .activations = hidden_states,
                                                     .weights = router_weights,
                                                     .output = output,
                                                     .row_multiple = 8});
  launch_few_rows(params, options);
}

}  // namespace slipstream::ops
