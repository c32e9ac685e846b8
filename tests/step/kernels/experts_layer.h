// The launches of a mixture-of-experts layer, run on weights of any shape, and what the reference says of them.
#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "model/reference/moe.h"
#include "pdl/stream.h"
#include "step/kernels/experts/launch.h"
#include "tests/model/support/golden.h"
#include "tests/step/kernels/coded_rows.h"
#include "tests/step/kernels/packed_weights.h"

namespace slipstream::step::test::experts_test {

struct Shape {
  int experts = 8;
  int choices = 2;
  int groups = 1;
  int kept_groups = 1;
  int hidden = 128;
  int width = 128;
  int shared_width = 128;
  bool fp8 = true;
  bool shared_fp8 = true;
  bool ue8m0 = false;
  bool banded = false;  // the down projections
};

inline model::ModelConfig config_of(const Shape& shape) {
  model::ModelConfig config;
  config.n_routed_experts = shape.experts;
  config.num_experts_per_tok = shape.choices;
  config.n_group = shape.groups;
  config.topk_group = shape.kept_groups;
  config.routed_scaling_factor = 2.5F;
  return config;
}

// Equal matrices of several experts one after the other.
inline PackedHostMatrix stack(const std::deque<HostWeights>& matrices, bool banded = false) {
  const auto pack_one = banded ? pack_bands : pack;
  PackedHostMatrix result = pack_one(matrices.front().share());
  for (auto matrix = std::next(matrices.begin()); matrix != matrices.end(); ++matrix) {
    const PackedHostMatrix more = pack_one(matrix->share());
    result.tiles.insert(result.tiles.end(), more.tiles.begin(), more.tiles.end());
    result.scales.insert(result.scales.end(), more.scales.begin(), more.scales.end());
  }
  return result;
}

// Rows [begin, begin + rows) of a linear whose cut lies between blocks.
inline model::reference::Linear cut(const model::reference::Linear& linear, int begin, int rows) {
  model::reference::Linear result = linear;
  const int columns = linear.columns;
  result.rows = rows;
  result.values = {linear.values.begin() + int64_t{begin} * columns,
                   linear.values.begin() + int64_t{begin + rows} * columns};
  if (linear.fp8) {
    const int blocks = (columns + 127) / 128;
    result.scales = {linear.scales.begin() + begin / 128 * blocks,
                     linear.scales.begin() + (begin + rows) / 128 * blocks};
  }
  return result;
}

inline model::reference::GatedMlpWeights gated(const HostWeights& gate_up,
                                               const HostWeights& down) {
  const int width = gate_up.linear().rows / 2;
  return {cut(gate_up.linear(), 0, width), cut(gate_up.linear(), width, width), down.linear()};
}

struct Choice {
  int expert;
  float weight;
};

struct Result {
  std::vector<std::vector<Choice>> choices;  // per token, in ascending order of experts
  model::reference::Matrix delta;
};

class Experts {
 public:
  explicit Experts(const Shape& shape) : shape_(shape) {
    for (int expert = 0; expert < shape.experts; ++expert) {
      gate_up_.emplace_back(2 * shape.width, shape.hidden, shape.fp8, 10 + 2 * expert);
      down_.emplace_back(shape.hidden, shape.width, shape.fp8, 11 + 2 * expert);
    }
  }

  [[nodiscard]] Result run(const model::reference::Matrix& logits,
                           const model::reference::Matrix& bias, const model::reference::Matrix& x,
                           std::optional<bool> pdl = std::nullopt) const {
    const int tokens = logits.rows();
    const DeviceValues<float> device_logits(logits.values());
    const DeviceValues<float> device_bias(bias.values());
    // Each kind of experts has its own kind of input; the other one is missing.
    const DeviceValues<uint16_t> rows(shape_.fp8 ? std::vector<uint16_t>{} : to_bf16(x));
    const DeviceValues<uint8_t> codes(shape_.fp8 ? coded_rows(x, shape_.ue8m0)
                                                 : std::vector<uint8_t>{});
    const DeviceValues<uint16_t> shared_input(to_bf16(shared_gate_up(x)));
    const DeviceValues<kernels::ExpertChoice> choices(static_cast<size_t>(tokens) * shape_.choices);
    const DeviceValues<uint16_t> activated(static_cast<size_t>(tokens) * shape_.choices * 2 *
                                           shape_.width);
    const DeviceValues<uint16_t> output(static_cast<size_t>(tokens) * shape_.hidden);
    const UploadedMatrix gate_up(stack(gate_up_));
    const UploadedMatrix down(stack(down_, shape_.banded));
    const UploadedMatrix shared_down((shape_.banded ? pack_bands : pack)(shared_down_.share()));
    const pdl::Stream stream;
    const pdl::LaunchOptions options{.stream = stream.get(), .pdl = pdl};
    kernels::launch_routed(
        {.route = {.logits = {device_logits.data()},
                   .bias = {device_bias.data()},
                   .experts = shape_.experts,
                   .choices = shape_.choices,
                   .groups = shape_.groups,
                   .kept_groups = shape_.kept_groups,
                   .scaling = 2.5F},
         .gate_up = gate_up.matrix(),
         .codes = {codes.data()},
         .tokens = tokens,
         .choices = {choices.data()},
         .activated = {bf16(activated)},
         .input = {.rows = {bf16(rows)}, .stride = shape_.hidden, .columns = shape_.hidden}},
        options);
    kernels::launch_down({.choices = {choices.data()},
                          .choices_per_token = shape_.choices,
                          .experts = shape_.experts,
                          .activated = {bf16(activated)},
                          .down = down.matrix(),
                          .shared_input = {.rows = {bf16(shared_input)},
                                           .stride = int64_t{2} * shape_.shared_width,
                                           .columns = shape_.shared_width},
                          .shared_down = shared_down.matrix(),
                          .tokens = tokens,
                          .ue8m0 = shape_.ue8m0,
                          .output = {bf16(output)}},
                         options);
    check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    return {sorted(choices.download(), tokens), to_matrix(output.download(), tokens)};
  }

  // What the chosen and the shared experts should add to the stream.
  [[nodiscard]] model::reference::Matrix expected(const std::vector<std::vector<Choice>>& choices,
                                                  const model::reference::Matrix& x) const {
    model::reference::Matrix result =
        model::reference::gated_mlp(numerics(), gated(shared_gate_up_, shared_down_), x);
    for (int token = 0; token < x.rows(); ++token) {
      model::reference::Matrix row(1, shape_.hidden);
      std::ranges::copy(x.row(token), row.row(0).begin());
      for (const auto& [expert, weight] : choices[token]) {
        const model::reference::Matrix part =
            model::reference::gated_mlp(numerics(), gated(gate_up_[expert], down_[expert]), row);
        for (int i = 0; i < shape_.hidden; ++i) result.row(token)[i] += weight * part.row(0)[i];
      }
    }
    return rounded(result);
  }

 private:
  [[nodiscard]] model::reference::Numerics numerics() const { return {.ue8m0 = shape_.ue8m0}; }
  static __nv_bfloat16* bf16(const DeviceValues<uint16_t>& bits) {
    return reinterpret_cast<__nv_bfloat16*>(bits.data());
  }
  [[nodiscard]] model::reference::Matrix shared_gate_up(const model::reference::Matrix& x) const {
    return model::reference::linear(numerics(), shared_gate_up_.linear(), x);
  }
  [[nodiscard]] std::vector<std::vector<Choice>> sorted(
      const std::vector<kernels::ExpertChoice>& flat, int tokens) const {
    std::vector<std::vector<Choice>> result(tokens);
    for (size_t i = 0; i < flat.size(); ++i) {
      result[i / shape_.choices].push_back({flat[i].expert, flat[i].weight});
    }
    for (auto& token : result) std::ranges::sort(token, {}, &Choice::expert);
    return result;
  }
  [[nodiscard]] model::reference::Matrix to_matrix(const std::vector<uint16_t>& bits,
                                                   int tokens) const {
    model::reference::Matrix result(tokens, shape_.hidden);
    std::ranges::transform(bits, result.values().begin(), model::bf16_to_float);
    return result;
  }

  Shape shape_;
  std::deque<HostWeights> gate_up_;
  std::deque<HostWeights> down_;
  HostWeights shared_gate_up_{2 * shape_.shared_width, shape_.hidden, shape_.shared_fp8, 1};
  HostWeights shared_down_{shape_.hidden, shape_.shared_width, shape_.shared_fp8, 2};
};

inline void expect_reference_choices(const Shape& shape, const model::reference::Matrix& logits,
                                     const model::reference::Matrix& bias, const Result& result) {
  for (int token = 0; token < logits.rows(); ++token) {
    const auto expected =
        model::reference::choose_experts(config_of(shape), logits.row(token), bias.row(0));
    ASSERT_EQ(result.choices[token].size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(result.choices[token][i].expert, expected[i].expert) << "token " << token;
      if (std::isnan(expected[i].weight)) continue;
      EXPECT_NEAR(result.choices[token][i].weight, expected[i].weight, 1e-6)
          << "token " << token << ", expert " << expected[i].expert;
    }
  }
}

// Small numbers, so that sigmoid(logit) differs from its neighbors by more than a rounding.
inline model::reference::Matrix random_logits(int tokens, int experts, unsigned seed) {
  model::reference::Matrix logits = model::test::random_matrix(tokens, experts, seed);
  for (float& value : logits.values()) value *= 2;
  return logits;
}

// Runs the layer on random activations and compares choices and sums with the reference.
inline void expect_reference(const Shape& shape, const model::reference::Matrix& logits,
                             const model::reference::Matrix& bias) {
  const Experts experts(shape);
  const model::reference::Matrix x =
      rounded(model::test::random_matrix(logits.rows(), shape.hidden, 3));
  const Result result = experts.run(logits, bias, x);
  expect_reference_choices(shape, logits, bias, result);
  // A value that falls on the other side of a rounding to bf16 can become the next e4m3 code.
  for (const double error :
       model::test::relative_errors(result.delta, experts.expected(result.choices, x))) {
    EXPECT_LT(error, 4e-3);
  }
}

}  // namespace slipstream::step::test::experts_test
