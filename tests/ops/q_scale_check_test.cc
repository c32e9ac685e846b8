// What apply_q_scale_and_softmax_scale refuses, and its reference by hand.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "ops/q_scale/operator.h"
#include "ops/q_scale/reference.h"
#include "support/mirror.h"
#include "support/rejection.h"

namespace slipstream::ops::q_scale_check_test {
namespace {

using test::expect_rejected;
using test::make_tensor;

struct Call {
  std::vector<float> weight_values{1, 2, 3, 4, 5, 6};
  std::vector<float> scale_values{2, 2, 2, 3, 3, 3};
  std::vector<float> output_values = std::vector<float>(6);
  Tensor weights = make_tensor(weight_values.data(), DType::kFloat32, {2, 3});
  Tensor q_scale = make_tensor(scale_values.data(), DType::kFloat32, {2, 3, 1});
  Tensor output = make_tensor(output_values.data(), DType::kFloat32, {2, 3, 1});

  [[nodiscard]] QScaleParams check() const {
    return check_q_scale(Arguments("q_scale", MemoryPlace::kHost), weights, q_scale, output, 0.5F);
  }
};

TEST(QScaleCheck, RejectsBFloat16Weights) {
  Call call;
  call.weights.dtype = DType::kBFloat16;
  expect_rejected("q_scale: weights must be float32, is bfloat16[2, 3]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(QScaleCheck, RejectsAnotherNumberOfHeads) {
  Call call;
  call.q_scale.shape[1] = 2;
  expect_rejected("q_scale must be of size 3 in axis 1 as weights has",
                  [&] { static_cast<void>(call.check()); });
}

TEST(QScaleCheck, RejectsAnOutputShiftedAgainstItsInput) {
  Call call;
  call.output = make_tensor(call.weight_values.data() + 1, DType::kFloat32, {1, 3});
  call.weights.shape[0] = call.q_scale.shape[0] = 1;
  expect_rejected("output must be apart from weights", [&] { static_cast<void>(call.check()); });
}

TEST(QScaleCheck, AcceptsAnOutputThatIsItsInput) {
  Call call;
  call.output = call.q_scale;
  EXPECT_NO_THROW(static_cast<void>(call.check()));
}

TEST(QScaleReference, MultipliesAllThree) {
  Call call;
  q_scale_reference(call.check());
  EXPECT_EQ(call.output_values, (std::vector<float>{1, 2, 3, 6, 7.5, 9}));
}

}  // namespace
}  // namespace slipstream::ops::q_scale_check_test
