#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/q_scale/operator.h"
#include "ops/q_scale/reference.h"
#include "slipstream/ops.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/random.h"

namespace slipstream::ops::q_scale_test {
namespace {

using test::Mirror;

struct Case {
  int64_t tokens = 3;
  int64_t heads = 64;
  int64_t weight_row = 0;   // elements from token to token; 0: contiguous
  int64_t head_stride = 1;  // of q_scale and output
  bool in_place = false;    // output is q_scale
};

void run_case(const Case& c) {
  test::Random random(23);
  const float softmax_scale = 1.0F / std::sqrt(128.0F);
  const int64_t weight_row = c.weight_row == 0 ? c.heads : c.weight_row;
  const int64_t scale_row = c.heads * c.head_stride;
  Mirror weights("weights", random_floats(random, DType::kFloat32, c.tokens * weight_row));
  Mirror q_scale("q_scale", random_floats(random, DType::kFloat32, c.tokens * scale_row));
  Mirror output = Mirror::poisoned("output", c.tokens * scale_row * 4);

  struct Tensors {
    Tensor weights, q_scale, output;
  };
  const auto tensors = [&](test::Side side) {
    const auto scales = [&](Mirror& mirror) {
      return side(mirror, DType::kFloat32, {c.tokens, c.heads, 1},
                  {0, {scale_row, c.head_stride, 1}});
    };
    return Tensors{side(weights, DType::kFloat32, {c.tokens, c.heads}, {0, {weight_row, 1}}),
                   scales(q_scale), scales(c.in_place ? q_scale : output)};
  };
  const Tensors host = tensors(test::on_host);
  q_scale_reference(check_q_scale(Arguments("q_scale", MemoryPlace::kHost), host.weights,
                                  host.q_scale, host.output, softmax_scale));
  const Tensors device = tensors(test::on_device);
  test::expect_matches_host({&weights, &q_scale, &output}, [&](const LaunchOptions& options) {
    apply_q_scale_and_softmax_scale(device.weights, device.q_scale, device.output, softmax_scale,
                                    options);
  });
}

TEST(QScale, ScalesOneToken) { run_case({.tokens = 1}); }

TEST(QScale, ScalesSeventeenTokensOfThirtyTwoHeads) { run_case({.tokens = 17, .heads = 32}); }

TEST(QScale, ScalesManyTokens) { run_case({.tokens = 700, .heads = 8}); }

TEST(QScale, ScalesAnOddNumberOfHeads) { run_case({.heads = 13}); }

TEST(QScale, ScalesMoreHeadsThanACtaHasThreads) { run_case({.tokens = 2, .heads = 601}); }

TEST(QScale, ReadsWeightsThatAreASliceOfAWiderRow) {
  run_case({.weight_row = 192});
  run_case({.weight_row = 193});
}

TEST(QScale, FollowsAStrideOfTheHeads) { run_case({.head_stride = 2}); }

TEST(QScale, WritesOverItsInput) { run_case({.in_place = true}); }

}  // namespace
}  // namespace slipstream::ops::q_scale_test
