// The norm of a residual plus what an exchange has brought, and a bf16 matrix after it.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "model/reference/norms.h"
#include "step/kernels/linear/launch.h"
#include "step/kernels/support/division.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/packed_weights.h"
#include "tests/step/support/played_ranks.h"

namespace slipstream::step::test {

struct NormResult {
  std::vector<uint16_t> sum;
  model::reference::Matrix normed;
  model::reference::Matrix output;
};

class PolledNorm {
 public:
  using Matrix = model::reference::Matrix;
  static constexpr float kEps = 1e-5F;

  PolledNorm(int tokens, int columns)
      : tokens_(tokens),
        columns_(columns),
        weights_(kRows, columns, false, 3),
        matrix_(pack(weights_.share())),
        gamma_(model::test::random_matrix(1, columns, 4)),
        residual_(rounded(model::test::random_matrix(tokens, columns, 5))) {}

  [[nodiscard]] const Matrix& residual() const { return residual_; }
  [[nodiscard]] const Matrix& gamma() const { return gamma_; }
  [[nodiscard]] const HostWeights& weights() const { return weights_; }

  // As clusters of so many CTAs; 0: as the plan has it. With room for operands, as in a step. Behind what
  // `before` launches, which gets the residual.
  [[nodiscard]] NormResult run(
      const SummedRows& delta, cudaStream_t stream, int cluster_ctas = 0, bool has_room = true,
      const std::function<void(uint16_t*)>& before = [](uint16_t*) {}) const {
    const DeviceValues<uint16_t> residual(to_bf16(residual_));
    const DeviceValues<float> gamma(gamma_.values());
    const DeviceValues<uint16_t> sum(residual_.values().size());
    const DeviceValues<uint16_t> normed(residual_.values().size());
    const DeviceValues<float> output(static_cast<size_t>(tokens_) * kRows);
    const DeviceValues<uint8_t> operands(
        kernels::OperandImage(kernels::ceil_div(columns_, kernels::kGroup), tokens_).bytes);
    kernels::LinearParams params;
    params.segments[0] = {matrix_.matrix(), {output.data()}, kRows, true};
    params.segment_count = 1;
    params.tokens = tokens_;
    if (cluster_ctas > 0)
      (void)kernels::plan_linear(params, kernels::linear_limits(), cluster_ctas);
    before(residual.data());
    kernels::launch_norm_linear({params,
                                 {.rows = {reinterpret_cast<const __nv_bfloat16*>(residual.data())},
                                  .stride = columns_,
                                  .delta = delta.rows,
                                  .gamma = {gamma.data()},
                                  .columns = columns_,
                                  .eps = kEps,
                                  .sum = {reinterpret_cast<__nv_bfloat16*>(sum.data())},
                                  .normed = {reinterpret_cast<__nv_bfloat16*>(normed.data())},
                                  .polled = delta.polled,
                                  .operands = {has_room ? operands.data() : nullptr}}},
                                {.stream = stream});
    check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    NormResult result{sum.download(), Matrix(tokens_, columns_), Matrix(tokens_, kRows)};
    std::ranges::transform(normed.download(), result.normed.values().begin(), model::bf16_to_float);
    result.output.values() = output.download();
    return result;
  }

 private:
  static constexpr int kRows = 24;  // of the matrix after the norm

  int tokens_;
  int columns_;
  HostWeights weights_;
  UploadedMatrix matrix_;
  Matrix gamma_;
  Matrix residual_;
};

}  // namespace slipstream::step::test
