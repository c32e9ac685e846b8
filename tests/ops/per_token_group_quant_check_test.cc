// What per_token_group_quant_8bit refuses, and its reference by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/per_token_group_quant/operator.h"
#include "ops/per_token_group_quant/reference.h"
#include "ops/support/reference.h"
#include "support/mirror.h"
#include "support/rejection.h"

namespace slipstream::ops::per_token_group_quant_check_test {
namespace {

using test::expect_rejected;
using test::make_tensor;

// A valid call that each test spoils in one place: two tokens, five groups of 16.
struct Call {
  static constexpr int64_t kColumns = 80;
  alignas(16) uint16_t values[2 * kColumns] = {};
  alignas(16) uint8_t codes[2 * kColumns] = {};
  std::vector<float> scales = std::vector<float>(10);
  Tensor input = make_tensor(values, DType::kBFloat16, {2, kColumns});
  Tensor output_q = make_tensor(codes, DType::kFloat8E4M3, {2, kColumns});
  Tensor output_s = make_tensor(scales.data(), DType::kFloat32, {2, 5});
  PerTokenGroupQuantOptions options{.group_size = 16};

  [[nodiscard]] PerTokenGroupQuantParams check() const {
    return check_per_token_group_quant(Arguments("quant", MemoryPlace::kHost), input, output_q,
                                       output_s, options);
  }
};

TEST(PerTokenGroupQuantCheck, AcceptsTheCallThatTheOthersSpoil) {
  EXPECT_NO_THROW(static_cast<void>(Call().check()));
}

TEST(PerTokenGroupQuantCheck, RejectsAGroupSizeOf48) {
  Call call;
  call.options.group_size = 48;
  expect_rejected("quant: group_size must be 16, 32, 64 or 128, is 48",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsAnEpsOfZero) {
  Call call;
  call.options.eps = 0.0F;
  expect_rejected("eps must be from 1e-30 to 1e30, is 0.0",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsARowThatIsNotWholeGroups) {
  Call call;
  call.options.group_size = 32;
  expect_rejected("input must be a positive multiple of 32 (a group) wide",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsAFusedRowOfAnOddNumberOfGroups) {
  Call call;
  call.options.fuse_silu_and_mul = true;
  expect_rejected("input must be a positive multiple of 32 (two groups) wide",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsRowsThatAreNotAligned) {
  Call call;
  call.input = make_tensor(call.values, DType::kBFloat16, {2, 64}, {0, {68, 1}});
  expect_rejected("input must be aligned to 16 bytes in every row",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsFloatScalesForUe8m0) {
  Call call;
  call.options.scale_ue8m0 = true;
  expect_rejected("output_s must be int32, is float32[2, 5]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsOneScaleTooFew) {
  Call call;
  call.output_s.shape[1] = 4;
  expect_rejected("output_s must be of size 5 in axis 1 (one group each)",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsE5M2Codes) {
  Call call;
  call.output_q.dtype = DType::kFloat8E5M2;
  expect_rejected("output_q must be float8_e4m3fn or int8, is float8_e5m2",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsMaskedTokensWithoutAnExpertAxis) {
  Call call;
  std::vector<int32_t> counts{1, 1};
  call.options.masked_m = make_tensor(counts.data(), DType::kInt32, {2});
  expect_rejected("input must be of rank 3, is bfloat16[2, 80]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantCheck, RejectsCodesOnTopOfTheInput) {
  Call call;
  call.output_q.data = call.values;
  expect_rejected("output_q must be apart from input", [&] { static_cast<void>(call.check()); });
}

TEST(PerTokenGroupQuantReference, QuantizesAGroupByHand) {
  Call call;
  call.values[0] = bits_from_float(-448.0F, DType::kBFloat16);
  call.values[1] = bits_from_float(1.0F, DType::kBFloat16);
  call.values[16] = bits_from_float(896.0F, DType::kBFloat16);
  call.values[17] = bits_from_float(3.0F, DType::kBFloat16);
  per_token_group_quant_reference(call.check());
  EXPECT_EQ(call.scales[0], 1.0F);
  EXPECT_EQ(call.codes[0], 0xfe);  // -448
  EXPECT_EQ(call.codes[1], 0x38);  // 1
  EXPECT_EQ(call.scales[1], 2.0F);
  EXPECT_EQ(call.codes[16], 0x7e);
  EXPECT_EQ(call.codes[17], 0x3c);  // 1.5
  EXPECT_EQ(call.scales[2], 1e-10F / 448.0F);
}

TEST(PerTokenGroupQuantReference, RoundsInt8ToNearestEvenAndSaturates) {
  Call call;
  call.output_q.dtype = DType::kInt8;
  call.values[0] = bits_from_float(127.0F, DType::kBFloat16);
  call.values[1] = bits_from_float(2.5F, DType::kBFloat16);
  call.values[2] = bits_from_float(-3.5F, DType::kBFloat16);
  call.values[3] = bits_from_float(std::nanf(""), DType::kBFloat16);
  call.values[16] = bits_from_float(-INFINITY, DType::kBFloat16);
  per_token_group_quant_reference(call.check());
  EXPECT_EQ(call.scales[0], 1.0F);
  EXPECT_EQ(static_cast<int8_t>(call.codes[0]), 127);
  EXPECT_EQ(static_cast<int8_t>(call.codes[1]), 2);
  EXPECT_EQ(static_cast<int8_t>(call.codes[2]), -4);
  EXPECT_EQ(call.codes[3], 0);
  EXPECT_EQ(static_cast<int8_t>(call.codes[16]), -128);
}

TEST(PerTokenGroupQuantReference, PacksUe8m0BytesByColumnAndZeroesTheTail) {
  Call call;
  // [2, 2] words, column-major with columns padded to four.
  std::vector<uint32_t> words(8, 0xaaaaaaaaU);
  call.options.scale_ue8m0 = true;
  call.output_s = make_tensor(words.data(), DType::kInt32, {2, 2}, {0, {1, 4}});
  for (int group = 0; group < 5; ++group) {
    call.values[80 + 16 * group] = bits_from_float(std::ldexp(448.0F, group), DType::kBFloat16);
  }
  per_token_group_quant_reference(call.check());
  EXPECT_EQ(words[1], 0x8281807fU);
  EXPECT_EQ(words[5], 0x00000083U);
  EXPECT_EQ(words[2], 0xaaaaaaaaU);
}

TEST(PerTokenGroupQuantReference, MultipliesSiluByUp) {
  Call call;
  call.options = {.group_size = 16, .fuse_silu_and_mul = true};
  call.input = make_tensor(call.values, DType::kBFloat16, {2, 64}, {0, {80, 1}});
  call.output_q = make_tensor(call.codes, DType::kFloat8E4M3, {2, 32});
  call.output_s.shape[1] = 2;
  call.output_s.strides[0] = 2;
  call.values[0] = bits_from_float(1.0F, DType::kBFloat16);
  call.values[32] = bits_from_float(64.0F, DType::kBFloat16);
  per_token_group_quant_reference(call.check());
  // silu(1) = 0.731058..., in bfloat16 0.73046875; times 64.
  EXPECT_EQ(call.scales[0], 46.75F / 448.0F);
  EXPECT_EQ(call.codes[0], 0x7e);
}

}  // namespace
}  // namespace slipstream::ops::per_token_group_quant_check_test
