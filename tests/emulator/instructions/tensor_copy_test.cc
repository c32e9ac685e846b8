// Copies of boxes of tensors: shapes, spellings, swizzles, fills, interleaved ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "tensor_checks.h"

namespace slipstream::emulator::tensor_copy_test {
namespace {

void expect_store_refused(const TensorCase& one) {
  const TensorResult result =
      run_tensor_program(one, store_box(one), tensor_of(one), shared_bytes());
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kIllegalInstruction);
  EXPECT_NE(result.fault->message.find("must not have negative coordinates, coordinate "),
            std::string::npos)
      << result.fault->message;
  EXPECT_EQ(result.tensor, tensor_of(one));
}

void expect_copies(const TensorCase& one) {
  expect_loads(one);
  if (std::ranges::any_of(one.at, [](int32_t coordinate) { return coordinate < 0; })) {
    expect_store_refused(one);
  } else {
    expect_stores(one);
  }
}

// --- Shapes.

TEST(TensorCopy, CopiesBoxesOfEveryRank) {
  expect_copies(make_case(TensorType::kF32, {64}, {32}, {8}));
  expect_copies(make_case(TensorType::kF16, {40, 9}, {16, 4}, {8, 3}));
  expect_copies(make_case(TensorType::kU8, {48, 5, 4}, {32, 3, 2}, {16, 1, 1}));
  expect_copies(make_case(TensorType::kF64, {6, 3, 4, 3}, {4, 2, 2, 2}, {2, 1, 1, 0}));
  expect_copies(make_case(TensorType::kBf16, {16, 3, 4, 3, 3}, {8, 2, 3, 2, 2}, {8, 1, 0, 1, 1}));
}

TEST(TensorCopy, CopiesEveryTypeBitForBit) {
  for (const TensorType type :
       {TensorType::kU8, TensorType::kU16, TensorType::kU32, TensorType::kS32, TensorType::kU64,
        TensorType::kS64, TensorType::kF16, TensorType::kF32, TensorType::kF64, TensorType::kBf16,
        TensorType::kF32Ftz}) {
    SCOPED_TRACE(name_of(type));
    expect_copies(make_case(type, {64, 4}, {32, 3}, {16, 1}));
  }
}

TEST(TensorCopy, FillsWhatLiesOutsideAndDoesNotStoreIt) {
  for (const int32_t x : {-32, -8, 0, 24, 40, 64}) {
    for (const int32_t y : {-4, -1, 0, 4, 6}) {
      SCOPED_TRACE(fmt::format("at {}, {}", x, y));
      expect_copies(make_case(TensorType::kF16, {37, 5}, {32, 4}, {x, y}));
    }
  }
}

TEST(TensorCopy, StoresTheWholeChunkInWhichARowEnds) {
  const TensorCase one = make_case(TensorType::kU16, {21, 3}, {16, 2}, {8, 1});
  const TensorResult result =
      run_tensor_program(one, store_box(one), tensor_of(one), shared_bytes());
  ASSERT_FALSE(result.fault) << result.fault->report();
  for (uint32_t row = 0; row < 2; ++row) {
    const size_t from = row * 32;
    const size_t to = (1 + row) * one.map.strides[0] + 16;  // 13 elements, of 16
    EXPECT_TRUE(std::equal(&result.tensor[to], &result.tensor[to] + 32, &shared_bytes()[from]));
  }
}

TEST(TensorCopy, StoresNoFurtherThanTheMemoryOfTheTensor) {
  // Of the last chunk 10 bytes are in the allocation.
  expect_loads(make_case(TensorType::kU16, {21}, {32}, {0}));
  const TensorCase one = make_case(TensorType::kU16, {21}, {32}, {0});
  const TensorResult result =
      run_tensor_program(one, store_box(one), tensor_of(one), shared_bytes());
  ASSERT_FALSE(result.fault) << result.fault->report();
  EXPECT_TRUE(std::equal(result.tensor.begin(), result.tensor.end(), shared_bytes().begin()));
}

TEST(TensorCopy, FillsInEveryDimension) {
  const std::vector<uint64_t> size = {10, 3, 3, 3, 3};
  expect_copies(make_case(TensorType::kF32, size, {8, 2, 2, 2, 2}, {4, 2, 2, 2, 2}));
  expect_copies(make_case(TensorType::kF32, size, {8, 2, 2, 2, 2}, {-4, -1, -1, -1, -1}));
  expect_copies(make_case(TensorType::kF32, size, {8, 2, 2, 2, 2}, {0, 0, -2, 0, 0}));
}

TEST(TensorCopy, StepsOverElements) {
  TensorCase one = make_case(TensorType::kU16, {32, 20, 6}, {16, 7, 4}, {8, -2, 1});
  one.map.step = {1, 3, 2, 1, 1};
  expect_copies(one);
}

TEST(TensorCopy, FollowsStridesLargerThanTheTensor) {
  TensorCase one = make_case(TensorType::kU8, {16, 3, 3}, {16, 2, 2}, {0, 1, 1});
  one.map.strides = {48, 512, 0, 0};
  expect_copies(one);
}

// --- Spellings, and where maps may be.

// The load with its opcode's end and its last operands replaced.
std::string load_with(const TensorCase& one, const std::string& space, const std::string& modifiers,
                      const std::string& operands) {
  std::string text = load_box(one);
  const auto replace = [&](const std::string& part, const std::string& by) {
    text.replace(text.find(part), part.size(), by);
  };
  replace(".shared::cluster.global.tile.mbarrier::complete_tx::bytes",
          space + ".global.mbarrier::complete_tx::bytes" + modifiers);
  replace("}], [%r2];", "}], [%r2]" + operands + ";");
  return "  mov.b16 %h1, 1;\n  mov.b64 %rd11, 0;\n" + text;
}

TEST(TensorCopy, TakesEverySpellingOfALoad) {
  const TensorCase one = make_case(TensorType::kF16, {40, 9}, {16, 4}, {8, 3});
  const Bytes tensor = tensor_of(one);
  const TensorResult plain = run_tensor_program(one, load_box(one), tensor, shared_bytes());
  for (const std::string& load :
       {load_with(one, ".shared::cta", "", ""),
        load_with(one, ".shared::cluster", ".L2::cache_hint", ", %rd11"),
        load_with(one, ".shared::cluster", ".multicast::cluster", ", %h1"),
        load_with(one, ".shared::cluster", ".multicast::cluster.L2::cache_hint", ", %h1, %rd11")}) {
    SCOPED_TRACE(load);
    const TensorResult result = run_tensor_program(one, load, tensor, shared_bytes());
    ASSERT_FALSE(result.fault) << result.fault->report();
    EXPECT_EQ(result.shared, plain.shared);
  }
}

TEST(TensorCopy, TakesMapsFromGlobalMemory) {
  const TensorCase one = make_case(TensorType::kF16, {40, 9}, {16, 4}, {8, 3});
  const std::string load = R"(
  ld.param.u64 %rd9, [out];
  mov.u32 %r7, 0;
copy:
  cvt.u64.u32 %rd7, %r7;
  add.s64 %rd8, %rd5, %rd7;
  add.s64 %rd7, %rd9, %rd7;
  ld.b64 %rd10, [%rd8];
  st.global.b64 [%rd7], %rd10;
  add.u32 %r7, %r7, 8;
  setp.lt.u32 %p2, %r7, 128;
  @%p2 bra copy;
  mov.b64 %rd5, %rd9;
)" + load_box(one);
  const Bytes tensor = tensor_of(one);
  for (const Settings& settings : {Settings{}, adversarial()}) {
    const TensorResult result = run_tensor_program(one, load, tensor, shared_bytes(), settings);
    ASSERT_FALSE(result.fault) << result.fault->report();
    EXPECT_EQ(result.shared, run_tensor_program(one, load_box(one), tensor, shared_bytes()).shared);
  }
}

// --- Swizzles: by bits of the shared address, so that the place of the box counts.

TEST(TensorCopy, SwizzlesByTheSharedAddress) {
  for (const TensorSwizzle swizzle :
       {TensorSwizzle::k32Bytes, TensorSwizzle::k64Bytes, TensorSwizzle::k128Bytes}) {
    for (const uint32_t offset : {0U, 128U, 896U}) {
      SCOPED_TRACE(fmt::format("span {} at {}", span_of(swizzle), offset));
      TensorCase one = make_case(TensorType::kBf16, {128, 40}, {span_of(swizzle) / 2, 37}, {8, 1});
      one.map.swizzle = swizzle;
      one.shared_offset = offset;
      expect_copies(one);
    }
  }
}

TEST(TensorCopy, SwizzlesRowsThatAreShorterThanTheSpan) {
  TensorCase one = make_case(TensorType::kF32, {64, 12}, {8, 11}, {4, 1});
  one.map.swizzle = TensorSwizzle::k128Bytes;
  expect_copies(one);
}

TEST(TensorCopy, SwizzlesBoxesThatLeaveTheTensor) {
  TensorCase one = make_case(TensorType::kF16, {50, 9}, {64, 16}, {-8, -3});
  one.map.swizzle = TensorSwizzle::k128Bytes;
  expect_copies(one);
}

// --- Fills and conversions.

TEST(TensorCopy, FillsWithNanWhereTheMapSaysSo) {
  TensorCase one = make_case(TensorType::kF32, {8, 2}, {8, 2}, {4, 0});
  one.map.fill = TensorFill::kNan;
  const Bytes tensor = tensor_of(one);
  const TensorResult result = run_tensor_program(one, load_box(one), tensor, shared_bytes());
  ASSERT_FALSE(result.fault) << result.fault->report();
  EXPECT_TRUE(std::equal(result.shared.begin(), result.shared.begin() + 16, tensor.begin() + 16));
  for (size_t i = 16; i < 32; i += 2) {
    EXPECT_EQ(result.shared[i], 0xf7) << i;
    EXPECT_EQ(result.shared[i + 1], 0x7f) << i;
  }
}

TEST(TensorCopy, RoundsTf32WhenItLoads) {
  const TensorCase one = make_case(TensorType::kTf32, {8}, {8}, {0});
  const std::array<uint32_t, 8> values = {0x3f800fff, 0x3f801000, 0xbf801000, 0x7f800000,
                                          0xff800001, 0x00001fff, 0x7f7fffff, 0};
  const std::array<uint32_t, 8> rounded = {0x3f800000, 0x3f802000, 0xbf802000, 0x7f800000,
                                           0x7fffe000, 0x00002000, 0x7f800000, 0};
  Bytes tensor(32);
  std::memcpy(tensor.data(), values.data(), 32);
  const TensorResult result = run_tensor_program(one, load_box(one), tensor, shared_bytes());
  ASSERT_FALSE(result.fault) << result.fault->report();
  std::array<uint32_t, 8> found;
  std::memcpy(found.data(), result.shared.data(), 32);
  EXPECT_EQ(found, rounded);
}

// --- Interleave: slices of channels.

TEST(TensorCopy, CopiesASliceOfChannelsOfEveryPixel) {
  for (const TensorInterleave interleave :
       {TensorInterleave::k16Bytes, TensorInterleave::k32Bytes}) {
    const size_t slice = slice_of(interleave);
    const TensorCase one = interleaved_case(interleave, {4, -1, 1, 1});
    const Bytes tensor = pattern(120 * slice, 1);
    std::string load = load_box(one);
    const std::string announced = fmt::format("[%r2], {};", one.box_bytes());
    load.replace(load.find(announced), announced.size(), fmt::format("[%r2], {};", 8 * slice));
    const TensorResult result = run_tensor_program(one, load, tensor, shared_bytes());
    ASSERT_FALSE(result.fault) << result.fault->report();
    Bytes expected = shared_bytes();
    std::fill_n(expected.begin(), 8 * slice,
                0);  // row -1 is outside, as are pixels 5 to 7 of row 0
    std::copy_n(&tensor[(60 + 20 + 4) * slice], slice, &expected[4 * slice]);
    EXPECT_EQ(result.shared, expected);
  }
}

TEST(TensorCopy, StoresASliceOfChannelsOfEveryPixel) {
  const TensorCase one = interleaved_case(TensorInterleave::k16Bytes, {0, 3, 2, 1});
  const Bytes tensor = pattern(120 * 16, 1);
  const TensorResult result = run_tensor_program(one, store_box(one), tensor, shared_bytes());
  ASSERT_FALSE(result.fault) << result.fault->report();
  Bytes expected = tensor;
  std::copy_n(&shared_bytes()[0], 4 * 16, &expected[(60 + 40 + 15) * 16]);  // row 4 is outside
  EXPECT_EQ(result.tensor, expected);
}

}  // namespace
}  // namespace slipstream::emulator::tensor_copy_test
