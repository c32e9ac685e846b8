// Ranges hold every number that may come out, and few others.
#include "check/analysis/number_range.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace slipstream::check {
namespace {

bool holds(const NumberRange& range, int64_t number) {
  return may_meet(range, NumberRange::one(number));
}

// Some of each kind; those without a bound are looked at near 0 only.
std::vector<NumberRange> samples() {
  NumberRange multiples_of_eight{.first = 0, .step = 8};
  NumberRange from_four{.first = 4, .step = 4, .least = 4};
  return {{},
          multiples_of_eight,
          from_four,
          NumberRange::one(0),
          NumberRange::one(-8),
          NumberRange::one(3),
          NumberRange::one(16),
          NumberRange::between(0, 3),
          NumberRange::between(-5, 7, 3),
          NumberRange::between(8, 40, 16)};
}

std::vector<int64_t> members(const NumberRange& range) {
  std::vector<int64_t> result;
  for (int64_t number = -48; number <= 48; ++number) {
    if (holds(range, number)) result.push_back(number);
  }
  return result;
}

using Ranges = std::function<NumberRange(const NumberRange&, const NumberRange&)>;
using Numbers = std::function<int64_t(int64_t, int64_t)>;

// What the numbers of any two samples give is in what the samples give.
void expect_all_results_of(const Ranges& of_ranges, const Numbers& of_numbers) {
  for (const NumberRange& a : samples()) {
    for (const NumberRange& b : samples()) {
      const NumberRange result = of_ranges(a, b);
      for (const int64_t x : members(a)) {
        for (const int64_t y : members(b)) {
          ASSERT_TRUE(holds(result, of_numbers(x, y))) << x << " and " << y;
        }
      }
    }
  }
}

TEST(NumberRange, OfASumHoldsAllSums) {
  expect_all_results_of(sum_of, [](int64_t a, int64_t b) { return a + b; });
}

TEST(NumberRange, OfAProductHoldsAllProducts) {
  expect_all_results_of(product_of, [](int64_t a, int64_t b) { return a * b; });
}

TEST(NumberRange, OfBitsThatAreKeptHoldsAllThatAreLeft) {
  expect_all_results_of(and_of, [](int64_t a, int64_t b) { return a & b; });
}

TEST(NumberRange, OfBitsThatAreSetOrTurnedHoldsAllResults) {
  expect_all_results_of(or_of, [](int64_t a, int64_t b) { return a | b; });
  expect_all_results_of(xor_of, [](int64_t a, int64_t b) { return a ^ b; });
}

TEST(NumberRange, OfAShiftHoldsAllResults) {
  for (const int64_t bits : {0, 1, 3}) {
    for (const NumberRange& a : samples()) {
      for (const int64_t number : members(a)) {
        EXPECT_TRUE(holds(shifted_left(a, NumberRange::one(bits)), number * (int64_t{1} << bits)));
        if (number < 0) continue;
        EXPECT_TRUE(holds(shifted_right(a, NumberRange::one(bits)), number >> bits));
      }
    }
  }
}

TEST(NumberRange, OfEitherHoldsBoth) {
  expect_all_results_of(either_of, [](int64_t a, int64_t) { return a; });
  expect_all_results_of(either_of, [](int64_t, int64_t b) { return b; });
  expect_all_results_of(widened, [](int64_t a, int64_t) { return a; });
}

TEST(NumberRange, HoldsWhatAComparisonLeaves) {
  const std::vector<std::pair<Comparison, std::function<bool(int64_t, int64_t)>>> comparisons = {
      {Comparison::kLess, std::less<>()},
      {Comparison::kLessEqual, std::less_equal<>()},
      {Comparison::kEqual, std::equal_to<>()},
      {Comparison::kNotEqual, std::not_equal_to<>()},
      {Comparison::kGreater, std::greater<>()},
      {Comparison::kGreaterEqual, std::greater_equal<>()}};
  for (const auto& [comparison, compare] : comparisons) {
    for (const NumberRange& a : samples()) {
      for (const int64_t number : members(a)) {
        const auto left = narrowed(a, comparison, 3, compare(number, 3));
        EXPECT_TRUE(left && holds(*left, number)) << number;
      }
    }
  }
}

TEST(NumberRange, OfAnIndexThatIsCountedUpAndTurnsRoundStaysWithinItsArray) {
  NumberRange index = NumberRange::one(0);
  for (int round = 0; round < 8; ++round) {
    const NumberRange next = sum_of(index, NumberRange::one(1));
    index = either_of(index, *narrowed(next, Comparison::kNotEqual, 4, true));
  }
  EXPECT_EQ(index, NumberRange::between(0, 3));
}

TEST(NumberRange, OfAnArrayMeetsNoneOfTheArrayNextToIt) {
  const NumberRange first = NumberRange::between(0x400, 0x418, 8);
  EXPECT_FALSE(may_meet(first, NumberRange::between(0x420, 0x438, 8)));
  EXPECT_TRUE(may_meet(first, NumberRange::between(0x418, 0x438, 8)));
}

TEST(NumberRange, OfTheFirstOfPairsMeetsNoneOfTheSecondOnes) {
  const NumberRange any_pair{.first = 0, .step = 16};
  EXPECT_FALSE(may_meet(any_pair, sum_of(any_pair, NumberRange::one(8))));
  EXPECT_TRUE(may_meet(any_pair, sum_of(any_pair, NumberRange::one(32))));
}

TEST(NumberRange, OfAnUnknownNumberMeetsEveryVariable) {
  NumberRange in_variable = NumberRange::one(8);
  in_variable.variable = 2;
  EXPECT_TRUE(may_meet({}, in_variable));
  NumberRange in_another = in_variable;
  in_another.variable = 3;
  EXPECT_FALSE(may_meet(in_another, in_variable));
  // Half of an address and half of another are none.
  EXPECT_TRUE(may_meet(either_of(in_another, in_variable), in_variable));
}

TEST(NumberRange, OfNumbersTooLargeForAnAddressIsNotKnown) {
  const NumberRange large = NumberRange::one(INT32_MAX);
  EXPECT_EQ(product_of(large, large), NumberRange{});
  EXPECT_EQ(sum_of(large, large), NumberRange{});
  EXPECT_EQ(shifted_left(large, NumberRange::one(31)), NumberRange{});
}

}  // namespace
}  // namespace slipstream::check
