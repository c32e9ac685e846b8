// The proof that the list of a parameter struct's pointers is complete.
#include "pdl/fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace slipstream::pdl {
namespace {

struct Matrix {
  int64_t rows = 0;
  Constant<uint8_t> codes;
  Constant<float> scales;
};

struct Params {
  Produced<const float> input;
  int numbers[5] = {};
  Matrix matrices[2];
  Produced<int> counters[2];
  float factor = 1;
  Produced<void> output;
  Settled<int> positions;
};

TEST(Fields, CountThePointersOfPlainMembers) {
  struct Plain {
    int64_t a;
    const char* b;
    double c;
    void* d;
  };
  EXPECT_EQ(pointers_in<Plain>(), 2U);
  EXPECT_EQ(pointers_in<int*>(), 1U);
  EXPECT_EQ(pointers_in<int64_t>(), 0U);
}

TEST(Fields, CountThePointersOfStructsAndArrays) {
  EXPECT_EQ(pointers_in<Produced<int>>(), 1U);
  EXPECT_EQ(pointers_in<Matrix>(), 2U);
  EXPECT_EQ(pointers_in<Params>(), 1U + 4U + 2U + 1U + 1U);
  struct WithStandardArray {
    int32_t number;
    std::array<Matrix, 3> matrices;
  };
  EXPECT_EQ(pointers_in<WithStandardArray>(), 6U);
}

// A struct is not mistaken for its first member, which holds fewer.
TEST(Fields, CountThePointersAfterANestedFirstMember) {
  struct Outer {
    struct Inner {
      Matrix matrix;
      Produced<int> count;
    } inner;
    int* more;
  };
  EXPECT_EQ(pointers_in<Outer>(), 4U);
}

constexpr auto kFields =
    SLIPSTREAM_FIELDS(Params, input, matrices[0].codes, matrices[0].scales, matrices[1].codes,
                      matrices[1].scales, counters[0], counters[1], output, positions);

TEST(Fields, HaveTheNamesPlacesAndRolesOfTheMembers) {
  ASSERT_EQ(kFields.size(), 9U);
  EXPECT_STREQ(kFields[3].name, "matrices[1].codes");
  EXPECT_EQ(kFields[3].offset, offsetof(Params, matrices) + sizeof(Matrix) + sizeof(int64_t));
  EXPECT_EQ(kFields[3].role, Role::kConstant);
  EXPECT_EQ(kFields[7].offset, offsetof(Params, output));
  EXPECT_EQ(kFields[7].role, Role::kProduced);
  EXPECT_EQ(kFields[8].role, Role::kSettled);
}

TEST(Fields, AreNotCompleteWithoutOneOfThem) {
  EXPECT_TRUE(lists_every_pointer<Params>(kFields));
  std::array<Field, kFields.size() - 1> fewer{};
  std::copy(kFields.begin() + 1, kFields.end(), fewer.begin());
  EXPECT_FALSE(lists_every_pointer<Params>(fewer));
}

TEST(Fields, AreNotCompleteWithOneOfThemTwice) {
  auto twice = kFields;
  twice[2] = twice[1];
  EXPECT_FALSE(lists_every_pointer<Params>(twice));
}

}  // namespace
}  // namespace slipstream::pdl
