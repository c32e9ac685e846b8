// The launches of a mixture-of-experts layer against the reference: the choice of experts with its
// edge cases, and the sum of what the chosen ones give.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "model/reference/moe.h"
#include "pdl/launch_observer.h"
#include "pdl/stream.h"
#include "step/kernels/experts/launch.h"
#include "step/kernels/support/limits.h"
#include "tests/model/support/golden.h"
#include "tests/step/kernels/coded_rows.h"
#include "tests/step/kernels/packed_weights.h"

namespace slipstream::step::test::experts_test {
namespace {

using model::reference::Matrix;

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

model::ModelConfig config_of(const Shape& shape) {
  model::ModelConfig config;
  config.n_routed_experts = shape.experts;
  config.num_experts_per_tok = shape.choices;
  config.n_group = shape.groups;
  config.topk_group = shape.kept_groups;
  config.routed_scaling_factor = 2.5F;
  return config;
}

// Equal matrices of several experts one after the other.
PackedHostMatrix stack(const std::deque<HostWeights>& matrices, bool banded = false) {
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
model::reference::Linear cut(const model::reference::Linear& linear, int begin, int rows) {
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

model::reference::GatedMlpWeights gated(const HostWeights& gate_up, const HostWeights& down) {
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
         .input = {.rows = {bf16(rows)}, .stride = shape_.hidden, .columns = shape_.hidden},
         .tokens = tokens,
         .choices = {choices.data()},
         .activated = {bf16(activated)}},
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

void expect_reference_choices(const Shape& shape, const model::reference::Matrix& logits,
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
model::reference::Matrix random_logits(int tokens, int experts, unsigned seed) {
  model::reference::Matrix logits = model::test::random_matrix(tokens, experts, seed);
  for (float& value : logits.values()) value *= 2;
  return logits;
}

// Runs the layer on random activations and compares choices and sums with the reference.
void expect_reference(const Shape& shape, const model::reference::Matrix& logits,
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

struct Case {
  int tokens;
  Shape shape;
};

class ExpertKernels : public testing::TestWithParam<Case> {};

TEST_P(ExpertKernels, AgreeWithTheReference) {
  const auto& [tokens, shape] = GetParam();
  model::reference::Matrix bias = model::test::random_matrix(1, shape.experts, 4);
  for (float& value : bias.values()) value *= 0.1F;
  expect_reference(shape, random_logits(tokens, shape.experts, 5), bias);
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const Shape& shape = info.param.shape;
  std::string name = "M";
  name += std::to_string(info.param.tokens) + "Of" + std::to_string(shape.experts) + "In" +
          std::to_string(shape.groups) + "Hidden" + std::to_string(shape.hidden) + "Width" +
          std::to_string(shape.width);
  name += shape.fp8 ? "Fp8" : "Bf16";
  name += shape.shared_fp8 == shape.fp8 ? "" : "OtherShared";
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ExpertKernels,
    testing::Values(
        Case{1, {.experts = 16, .choices = 4, .groups = 4, .kept_groups = 2, .hidden = 1152}},
        Case{3, {.experts = 12, .choices = 3, .groups = 3, .kept_groups = 2, .hidden = 384}},
        Case{8, {.experts = 40, .choices = 3, .width = 256, .shared_width = 384, .ue8m0 = true}},
        // By twos: three groups of columns for each warp, the last one alone; four and two of a tile.
        Case{3, {.experts = 6, .choices = 3, .hidden = 3072, .width = 512, .shared_width = 256}},
        // A choice for each lane of a warp; three rounds of activations.
        Case{4, {.experts = 40, .choices = 8, .width = 256, .shared_width = 256}},
        Case{9, {.experts = 14, .choices = 2, .groups = 7, .kept_groups = 3, .hidden = 256}},
        Case{16, {.experts = 24, .choices = 5, .groups = 8, .kept_groups = 4, .ue8m0 = true}},
        // As many experts and choices as there can be.
        Case{16,
             {.experts = 512,
              .choices = 8,
              .groups = 8,
              .kept_groups = 4,
              .hidden = 128,
              .width = 128}},
        Case{2, {.experts = 33, .choices = 32, .hidden = 128, .width = 128}},
        // Nothing is quantized; the shared expert differs from the others.
        Case{2, {.experts = 6, .fp8 = false, .shared_fp8 = false}},
        Case{10, {.experts = 6, .hidden = 256, .fp8 = false}},
        Case{2, {.experts = 6, .shared_fp8 = false}},
        // Too many activations for shared memory: of the hidden state, of the gated products.
        Case{16, {.experts = 2, .choices = 1, .hidden = 14464}},
        Case{16, {.experts = 2, .width = 7168, .shared_width = 256}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Banded, ExpertKernels,
    testing::Values(
        // 64 rows of a CTA; 56, and fewer of the last one; 56; 16; 8.
        Case{2, {.experts = 4, .hidden = 9216, .banded = true}},
        Case{2, {.experts = 4, .hidden = 6400, .banded = true}},
        Case{1, {.experts = 12, .choices = 8, .hidden = 7168, .banded = true}},
        Case{3,
             {.experts = 12,
              .choices = 3,
              .groups = 3,
              .kept_groups = 2,
              .hidden = 1152,
              .banded = true}},
        Case{4, {.experts = 40, .choices = 8, .width = 256, .shared_width = 256, .banded = true}},
        // Blocks of 128 columns at the end, of one of both.
        Case{8,
             {.experts = 40,
              .choices = 3,
              .width = 256,
              .shared_width = 384,
              .ue8m0 = true,
              .banded = true}},
        Case{1, {.experts = 2, .width = 2048, .shared_width = 256, .banded = true}},
        Case{5, {.experts = 6, .width = 640, .shared_width = 1280, .banded = true}},
        // More choices than a warp has lanes, and tokens than an item; rings of all sizes.
        Case{9,
             {.experts = 14,
              .choices = 2,
              .groups = 7,
              .kept_groups = 3,
              .hidden = 256,
              .banded = true}},
        Case{16,
             {.experts = 24,
              .choices = 5,
              .groups = 8,
              .kept_groups = 4,
              .ue8m0 = true,
              .banded = true}},
        Case{16,
             {.experts = 512,
              .choices = 8,
              .groups = 8,
              .kept_groups = 4,
              .hidden = 128,
              .width = 128,
              .banded = true}},
        Case{2, {.experts = 33, .choices = 32, .hidden = 128, .width = 128, .banded = true}},
        // Too many activations for shared memory.
        Case{16, {.experts = 2, .width = 7168, .shared_width = 256, .banded = true}}),
    name_of);

// The choice alone, in layers as small as they get.
class ExpertChoices : public testing::Test {
 protected:
  // Chosen experts per token; no product is looked at.
  static Result choose(const Shape& shape, const model::reference::Matrix& logits,
                       const model::reference::Matrix& bias) {
    return Experts(shape).run(logits, bias, model::reference::Matrix(logits.rows(), shape.hidden));
  }
  static std::vector<int> experts_of(const std::vector<Choice>& choices) {
    std::vector<int> experts;
    for (const Choice& choice : choices) experts.push_back(choice.expert);
    return experts;
  }
  static void expect_reference_choice(const Shape& shape, const model::reference::Matrix& logits) {
    const model::reference::Matrix bias(1, shape.experts);
    expect_reference_choices(shape, logits, bias, choose(shape, logits, bias));
  }
};

TEST_F(ExpertChoices, FollowTheReferenceInAnyNumberOfGroups) {
  for (const int groups : {1, 2, 3, 4, 5, 6, 7, 8, 10, 20}) {
    const Shape shape{.experts = 120 / groups * groups,
                      .choices = 6,
                      .groups = groups,
                      .kept_groups = (groups + 1) / 2};
    SCOPED_TRACE(groups);
    expect_reference_choice(shape, random_logits(2, shape.experts, groups));
  }
}

TEST_F(ExpertChoices, TakeLowerExpertsAndGroupsFirstAmongEquals) {
  const Shape shape{.experts = 48, .choices = 8, .groups = 8, .kept_groups = 4};
  const auto result =
      choose(shape, model::reference::Matrix(2, 48), model::reference::Matrix(1, 48));
  EXPECT_EQ(experts_of(result.choices[1]), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(ExpertChoices, FollowTheReferenceWhereManyScoresAreEqual) {
  const Shape shape{.experts = 96, .choices = 8, .groups = 8, .kept_groups = 3};
  model::reference::Matrix logits(4, 96);
  for (int token = 0; token < 4; ++token) {
    for (int i = 0; i < 96; ++i) logits.row(token)[i] = static_cast<float>(i * (token + 3) % 5);
  }
  expect_reference_choice(shape, logits);
}

TEST_F(ExpertChoices, RankNaNBelowEveryNumber) {
  const Shape shape{.experts = 16, .choices = 4};
  model::reference::Matrix logits(1, 16);
  for (int i = 0; i < 16; ++i) logits.row(0)[i] = i % 2 == 0 ? NAN : -static_cast<float>(i);
  const auto result = choose(shape, logits, model::reference::Matrix(1, 16));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{1, 3, 5, 7}));
}

TEST_F(ExpertChoices, TakeTheLowestExpertsWhereEverythingIsNaN) {
  const Shape shape{.experts = 16, .choices = 4, .groups = 4, .kept_groups = 2};
  model::reference::Matrix logits(2, 16);
  std::ranges::fill(logits.values(), NAN);
  const auto result = choose(shape, logits, model::reference::Matrix(1, 16));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(ExpertChoices, DropAGroupWhoseExpertsAreNaN) {
  const Shape shape{.experts = 8, .choices = 2, .groups = 4, .kept_groups = 1};
  model::reference::Matrix logits(1, 8);
  for (int i = 0; i < 8; ++i) logits.row(0)[i] = i < 6 ? NAN : -3.0F;
  const auto result = choose(shape, logits, model::reference::Matrix(1, 8));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{6, 7}));
}

TEST_F(ExpertChoices, TakeInfiniteLogitsAsTheyAre) {
  const Shape shape{.experts = 8, .choices = 2};
  model::reference::Matrix logits(1, 8);
  logits.row(0)[3] = std::numeric_limits<float>::infinity();
  logits.row(0)[5] = std::numeric_limits<float>::infinity();
  logits.row(0)[0] = -std::numeric_limits<float>::infinity();
  const auto result = choose(shape, logits, model::reference::Matrix(1, 8));
  EXPECT_EQ(experts_of(result.choices[0]), (std::vector<int>{3, 5}));
  EXPECT_FLOAT_EQ(result.choices[0][0].weight, 1.25F);
}

TEST_F(ExpertChoices, MayBeAllExperts) {
  const Shape shape{.experts = 32, .choices = 32};
  const auto result = choose(shape, random_logits(2, 32, 6), model::reference::Matrix(1, 32));
  for (int i = 0; i < 32; ++i) EXPECT_EQ(result.choices[1][i].expert, i);
}

TEST_F(ExpertChoices, FollowTheReferenceAmong512Experts) {
  const Shape shape{.experts = 512, .choices = 3, .groups = 8, .kept_groups = 4};
  expect_reference_choice(shape, random_logits(2, 512, 7));
}

// With down projections in tiles and in bands.
class ExpertSums : public testing::TestWithParam<bool> {};

TEST_P(ExpertSums, AreRightWhenAllTokensTakeTheSame) {
  const Shape shape{.experts = 32, .choices = 2, .banded = GetParam()};
  model::reference::Matrix logits(16, 32);
  for (int token = 0; token < 16; ++token) logits.row(token)[7] = logits.row(token)[30] = 1;
  expect_reference(shape, logits, model::reference::Matrix(1, 32));
}

TEST_P(ExpertSums, AreRightWhenEveryTokenTakesOthers) {
  const Shape shape{.experts = 32, .choices = 2, .banded = GetParam()};
  model::reference::Matrix logits(16, 32);
  for (int token = 0; token < 16; ++token) {
    logits.row(token)[token] = 2;
    logits.row(token)[31 - token] = 1;
  }
  expect_reference(shape, logits, model::reference::Matrix(1, 32));
}

TEST_P(ExpertSums, AreTheSameBitsInEveryRunWithAndWithoutPdl) {
  const Shape shape{.experts = 24, .choices = 6, .hidden = 384, .banded = GetParam()};
  const Experts experts(shape);
  const model::reference::Matrix logits = random_logits(5, 24, 8);
  const model::reference::Matrix x = rounded(model::test::random_matrix(5, shape.hidden, 9));
  const model::reference::Matrix first =
      experts.run(logits, model::reference::Matrix(1, 24), x, true).delta;
  EXPECT_EQ(experts.run(logits, model::reference::Matrix(1, 24), x, true).delta.values(),
            first.values());
  EXPECT_EQ(experts.run(logits, model::reference::Matrix(1, 24), x, false).delta.values(),
            first.values());
}

TEST_P(ExpertSums, OfATokenDoNotDependOnWhatOthersTake) {
  const Shape shape{.experts = 24, .choices = 6, .hidden = 384, .banded = GetParam()};
  const Experts experts(shape);
  const auto first_row = [&](int tokens, unsigned seed) {
    model::reference::Matrix logits = random_logits(tokens, 24, seed);
    model::reference::Matrix x =
        rounded(model::test::random_matrix(tokens, shape.hidden, seed + 1));
    std::ranges::copy(random_logits(1, 24, 8).row(0), logits.row(0).begin());
    std::ranges::copy(rounded(model::test::random_matrix(1, shape.hidden, 9)).row(0),
                      x.row(0).begin());
    const model::reference::Matrix delta =
        experts.run(logits, model::reference::Matrix(1, 24), x).delta;
    return std::vector<float>(delta.row(0).begin(), delta.row(0).end());
  };
  for (const int tokens : {3, 9}) {
    EXPECT_EQ(first_row(tokens, 20), first_row(tokens, 40)) << tokens;
  }
}

// A rank of eight of DeepSeek-V3.2 and of GLM-5.2.
TEST(ExpertLaunches, OfTwoToFourTokensFitNextToEachOther) {
  constexpr size_t kStaticBytes = 5632;  // of the two kernels
  for (const int hidden : {7168, 6144}) {
    const Experts experts({.experts = 8,
                           .choices = 8,
                           .hidden = hidden,
                           .width = 256,
                           .shared_width = 256,
                           .banded = hidden == 7168});
    for (const int tokens : {2, 3, 4}) {
      size_t bytes = 0;
      const pdl::LaunchObserver observer([&](const pdl::ObservedLaunch& launch) {
        bytes += launch.shape.dynamic_shared_bytes + kernels::kReservedBytes;
      });
      static_cast<void>(experts.run(random_logits(tokens, 8, 1), model::reference::Matrix(1, 8),
                                    model::reference::Matrix(tokens, hidden)));
      EXPECT_LE(bytes + kStaticBytes, kernels::kMultiprocessorBytes) << hidden << ' ' << tokens;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Down, ExpertSums, testing::Bool(),
                         [](const auto& info) { return info.param ? "Banded" : "Tiled"; });

}  // namespace
}  // namespace slipstream::step::test::experts_test
