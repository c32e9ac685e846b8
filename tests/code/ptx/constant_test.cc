#include "code/ptx/constant.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

namespace slipstream::ptx {
namespace {

const std::string kFile = "test.ptx";

int64_t evaluate(const std::string& text) {
  Cursor cursor(text, kFile);
  return parse_integer_constant(cursor, "the constant");
}

Number read(const std::string& text) {
  Cursor cursor(text, kFile);
  return parse_constant(cursor);
}

TEST(Constant, ReadsEveryIntegerBase) {
  EXPECT_EQ(evaluate("42"), 42);
  EXPECT_EQ(evaluate("0x2a"), 42);
  EXPECT_EQ(evaluate("052"), 42);
  EXPECT_EQ(evaluate("0b101010"), 42);
  EXPECT_EQ(evaluate("42U"), 42);
  EXPECT_EQ(evaluate("0xFFFFFFFFFFFFFFFF"), -1);
}

TEST(Constant, BindsOperatorsByPrecedence) {
  EXPECT_EQ(evaluate("2 + 3 * 4"), 14);
  EXPECT_EQ(evaluate("(2 + 3) * 4"), 20);
  EXPECT_EQ(evaluate("1 << 4 | 1"), 17);
  EXPECT_EQ(evaluate("10 - 4 - 3"), 3);
  EXPECT_EQ(evaluate("-7 / 2"), -3);
  EXPECT_EQ(evaluate("~0 & 0xff"), 255);
  EXPECT_EQ(evaluate("1 < 2 ? WARP_SZ : 5"), 32);
}

TEST(Constant, WrapsTheOneQuotientThatOverflows) {
  EXPECT_EQ(evaluate("0x8000000000000000 / -1"), INT64_MIN);
  EXPECT_EQ(evaluate("0x8000000000000000 % -1"), 0);
}

TEST(Constant, KeepsTheBitsOfFloats) {
  EXPECT_EQ(read("0f3F800000").kind, Number::Kind::kFloat32);
  EXPECT_EQ(read("0f3F800000").bits, 0x3f800000U);
  EXPECT_EQ(read("-0f3F800000").bits, 0xbf800000U);
  EXPECT_EQ(read("0d3FF0000000000000").bits, 0x3ff0000000000000U);
  EXPECT_EQ(read("1.5e1").bits, std::bit_cast<uint64_t>(15.0));
}

TEST(Constant, RejectsDivisionByZero) { EXPECT_THROW(evaluate("1 / 0"), ParseError); }

TEST(Constant, RejectsWhatDoesNotFitSixtyFourBits) {
  EXPECT_THROW(evaluate("18446744073709551616"), ParseError);
}

TEST(Constant, RejectsDeepNesting) {
  EXPECT_THROW(evaluate(std::string(100000, '(') + "1"), ParseError);
  EXPECT_THROW(evaluate(std::string(100000, '-') + "1"), ParseError);
}

}  // namespace
}  // namespace slipstream::ptx
