// What cuTensorMapEncodeTiled accepts, and how it refuses the rest.
#include "emulator/device/tensor_map_encoding.h"

#include <gtest/gtest.h>

#include <array>

namespace slipstream::emulator {
namespace {

constexpr uint64_t kAddress = 0x7f0000001000;

// A matrix of 100 x 64 f16, boxes of 8 x 64, to be spoiled by tests.
struct Arguments {
  std::array<uint64_t, 5> size{64, 100, 3, 2, 2};
  std::array<uint64_t, 4> strides{128, 12800, 38400, 76800};
  std::array<uint32_t, 5> box{64, 8, 1, 1, 1};
  std::array<uint32_t, 5> step{1, 1, 1, 1, 1};
  TensorMapArguments rest;

  Arguments() {
    rest.type = static_cast<uint32_t>(TensorType::kF16);
    rest.rank = 2;
    rest.address = kAddress;
  }
  TensorMapArguments all() const {
    TensorMapArguments arguments = rest;
    arguments.size = size.data();
    arguments.strides = strides.data();
    arguments.box = box.data();
    arguments.step = step.data();
    return arguments;
  }
};

TensorMap encode(const Arguments& arguments) { return encode_tensor_map(arguments.all()); }

// What the refusal says; empty where there is none.
std::string refusal(const Arguments& arguments) {
  try {
    (void)encode(arguments);
    return {};
  } catch (const TensorMapError& error) {
    return error.what();
  }
}

template <class Change>
std::string refusal_after(Change change) {
  Arguments arguments;
  change(arguments);
  return refusal(arguments);
}

void expect_refused(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' must contain '" << part << "'";
}

TEST(TensorMapEncoding, KeepsEveryArgument) {
  Arguments arguments;
  arguments.rest.rank = 3;
  arguments.rest.swizzle = 3;
  arguments.rest.fill = 1;
  arguments.rest.promotion = 3;
  arguments.step = {1, 2, 3, 1, 1};
  const TensorMap map = encode(arguments);
  EXPECT_EQ(map.address, kAddress);
  EXPECT_EQ(map.type, TensorType::kF16);
  EXPECT_EQ(map.rank, 3);
  EXPECT_EQ(map.swizzle, TensorSwizzle::k128Bytes);
  EXPECT_EQ(map.fill, TensorFill::kNan);
  EXPECT_EQ(map.size, (std::array<uint64_t, 5>{64, 100, 3, 0, 0}));
  EXPECT_EQ(map.strides, (std::array<uint64_t, 4>{128, 12800, 0, 0}));
  EXPECT_EQ(map.box, (std::array<uint32_t, 5>{64, 8, 1, 0, 0}));
  EXPECT_EQ(map.step, (std::array<uint32_t, 5>{1, 2, 3, 0, 0}));
}

TEST(TensorMapEncoding, TakesEveryTypeRankAndPromotion) {
  for (uint32_t type = 0; type <= 12; ++type) {
    EXPECT_EQ(refusal_after([&](Arguments& a) { a.rest.type = type; }), "") << type;
  }
  for (uint32_t rank = 1; rank <= 5; ++rank) {
    EXPECT_EQ(refusal_after([&](Arguments& a) { a.rest.rank = rank; }), "") << rank;
  }
  for (uint32_t promotion = 0; promotion <= 3; ++promotion) {
    EXPECT_EQ(refusal_after([&](Arguments& a) { a.rest.promotion = promotion; }), "");
  }
}

TEST(TensorMapEncoding, RefusesNumbersOfNoEnumeration) {
  expect_refused(refusal_after([](Arguments& a) { a.rest.type = 16; }),
                 "tensorDataType must be 0 to 12, it is 16");
  expect_refused(refusal_after([](Arguments& a) { a.rest.interleave = 3; }),
                 "interleave must be 0 to 2, it is 3");
  expect_refused(refusal_after([](Arguments& a) { a.rest.swizzle = 7; }),
                 "swizzle must be 0 to 3, it is 7");
  expect_refused(refusal_after([](Arguments& a) { a.rest.promotion = 4; }),
                 "l2Promotion must be 0 to 3, it is 4");
  expect_refused(refusal_after([](Arguments& a) { a.rest.fill = 2; }),
                 "oobFill must be 0 to 1, it is 2");
}

TEST(TensorMapEncoding, NamesWhatOnlyNewerDevicesHave) {
  expect_refused(refusal_after([](Arguments& a) { a.rest.type = 13; }),
                 "tensorDataType 13 is not supported");
  expect_refused(refusal_after([](Arguments& a) { a.rest.swizzle = 4; }),
                 "swizzle 4 is not supported");
}

TEST(TensorMapEncoding, RefusesRanksBelowOneAndAboveFive) {
  expect_refused(refusal_after([](Arguments& a) { a.rest.rank = 0; }), "must be 1 to 5, it is 0");
  expect_refused(refusal_after([](Arguments& a) { a.rest.rank = 6; }), "must be 1 to 5, it is 6");
}

TEST(TensorMapEncoding, RefusesMissingArrays) {
  Arguments arguments;
  TensorMapArguments without = arguments.all();
  without.strides = nullptr;
  EXPECT_THROW((void)encode_tensor_map(without), TensorMapError);
  without.rank = 1;
  EXPECT_NO_THROW((void)encode_tensor_map(without));  // a vector has no stride
  without.box = nullptr;
  EXPECT_THROW((void)encode_tensor_map(without), TensorMapError);
}

TEST(TensorMapEncoding, WantsAddressAndStridesInUnitsOfSixteenBytes) {
  expect_refused(refusal_after([](Arguments& a) { a.rest.address += 8; }),
                 "globalAddress must be a multiple of 16");
  expect_refused(refusal_after([](Arguments& a) { a.strides[0] = 136; }),
                 "globalStrides[0] must be a multiple of 16 below 2^40, it is 136");
  expect_refused(refusal_after([](Arguments& a) { a.strides[0] = 1ULL << 40; }),
                 "globalStrides[0]");
}

TEST(TensorMapEncoding, WantsThirtyTwoWhereSlicesHaveThirtyTwoBytes) {
  const auto interleave = [](Arguments& a) {
    a.rest.rank = 3;
    a.rest.interleave = 2;
    a.rest.swizzle = 1;
  };
  EXPECT_EQ(refusal_after(interleave), "");
  expect_refused(refusal_after([&](Arguments& a) {
                   interleave(a);
                   a.rest.address += 16;
                 }),
                 "globalAddress must be a multiple of 32");
  expect_refused(refusal_after([&](Arguments& a) {
                   interleave(a);
                   a.strides[1] += 16;
                 }),
                 "globalStrides[1] must be a multiple of 32");
  expect_refused(refusal_after([&](Arguments& a) {
                   interleave(a);
                   a.rest.rank = 2;
                 }),
                 "rank 3 to 5");
}

TEST(TensorMapEncoding, TakesEverySwizzleOfInterleavedTensors) {
  for (uint32_t interleave = 1; interleave <= 2; ++interleave) {
    for (uint32_t swizzle = 0; swizzle <= 3; ++swizzle) {
      EXPECT_EQ(refusal_after([&](Arguments& a) {
                  a.rest.rank = 3;
                  a.rest.interleave = interleave;
                  a.rest.swizzle = swizzle;
                }),
                "");
    }
  }
}

TEST(TensorMapEncoding, WantsBoxesThatFitIntoSharedMemory) {
  const auto box_of = [](uint32_t rows) {
    return [=](Arguments& a) {
      a.rest.rank = 3;
      a.box = {64, 256, rows, 1, 1};
    };
  };
  EXPECT_EQ(refusal_after(box_of(7)), "");
  expect_refused(
      refusal_after(box_of(8)),
      "the box must fit into the 232448 bytes of shared memory of a CTA, it takes 262144");
}

TEST(TensorMapEncoding, BoundsSizesBoxesAndSteps) {
  expect_refused(refusal_after([](Arguments& a) { a.size[1] = 0; }),
                 "globalDim[1] must be 1 to 2^32, it is 0");
  EXPECT_EQ(refusal_after([](Arguments& a) { a.size[1] = 1ULL << 32; }), "");
  expect_refused(refusal_after([](Arguments& a) { a.size[1] = (1ULL << 32) + 1; }), "globalDim[1]");
  expect_refused(refusal_after([](Arguments& a) { a.box[1] = 0; }),
                 "boxDim[1] must be 1 to 256, it is 0");
  EXPECT_EQ(refusal_after([](Arguments& a) { a.box[1] = 256; }), "");
  expect_refused(refusal_after([](Arguments& a) { a.box[1] = 257; }), "boxDim[1]");
  expect_refused(refusal_after([](Arguments& a) { a.step[1] = 0; }),
                 "elementStrides[1] must be 1 to 8, it is 0");
  expect_refused(refusal_after([](Arguments& a) { a.step[1] = 9; }), "elementStrides[1]");
  // That of dimension 0 has no effect, but is checked.
  EXPECT_EQ(refusal_after([](Arguments& a) { a.step[0] = 8; }), "");
  expect_refused(refusal_after([](Arguments& a) { a.step[0] = 9; }), "elementStrides[0]");
  expect_refused(refusal_after([](Arguments& a) { a.step[0] = 0; }), "elementStrides[0]");
}

TEST(TensorMapEncoding, WantsRowsOfWholeChunksThatFitTheirSwizzle) {
  expect_refused(refusal_after([](Arguments& a) { a.box[0] = 12; }),
                 "boxDim[0] elements must have a multiple of 16 bytes, they have 24");
  expect_refused(refusal_after([](Arguments& a) {
                   a.rest.rank = 3;
                   a.rest.interleave = 1;
                   a.box[0] = 3;
                 }),
                 "boxDim[0] elements must have a multiple of 16 bytes, they have 6");
  for (uint32_t swizzle = 1; swizzle <= 3; ++swizzle) {
    const uint32_t span = 16U << swizzle;
    EXPECT_EQ(refusal_after([&](Arguments& a) {
                a.rest.swizzle = swizzle;
                a.box[0] = span / 2;
              }),
              "");
    expect_refused(refusal_after([&](Arguments& a) {
                     a.rest.swizzle = swizzle;
                     a.box[0] = span / 2 + 8;
                   }),
                   "at most the " + std::to_string(span) + " bytes of their swizzle");
  }
}

TEST(TensorMapEncoding, FillsOnlyFloatsWithNan) {
  expect_refused(refusal_after([](Arguments& a) {
                   a.rest.type = static_cast<uint32_t>(TensorType::kU16);
                   a.rest.fill = 1;
                 }),
                 "only floating-point tensors are filled with NaN, this one has type u16");
}

TEST(TensorMapEncoding, MovesAMapToAnotherAddress) {
  const TensorMap moved = move_tensor_map(encode(Arguments{}), kAddress + 64);
  EXPECT_EQ(moved.address, kAddress + 64);
  EXPECT_THROW((void)move_tensor_map(moved, kAddress + 8), TensorMapError);
}

}  // namespace
}  // namespace slipstream::emulator
