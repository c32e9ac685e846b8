// What the chosen experts of a layer give, and the launches that give it, against the reference.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pdl/launch_observer.h"
#include "step/kernels/support/limits.h"
#include "tests/step/kernels/experts_layer.h"

namespace slipstream::step::test::experts_test {
namespace {

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
  if (kernels::device_limits().multiprocessors < 128) {
    GTEST_SKIP() << "CTAs would have four tiles each";
  }
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

// A lane has the scale of one group.
TEST(ExpertLaunches, RefuseMoreColumnsThanAWarpHasScalesFor) {
  kernels::RoutedLaunch params{.route = {.experts = 8, .choices = 2, .groups = 1, .kept_groups = 1},
                               .gate_up = {.rows = 256, .columns = 32769, .is_fp8 = true},
                               .tokens = 1};
  try {
    kernels::launch_routed(params, {});
    FAIL() << "nothing was thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "routed_experts: gate_up must have at most 32768 columns, has 32769");
  }
}

INSTANTIATE_TEST_SUITE_P(Down, ExpertSums, testing::Bool(),
                         [](const auto& info) { return info.param ? "Banded" : "Tiled"; });

}  // namespace
}  // namespace slipstream::step::test::experts_test
