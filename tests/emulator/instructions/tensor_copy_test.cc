// Copies of boxes of tensors, compared with what their elements must be one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "tensor_program.h"

namespace slipstream::emulator::tensor_copy_test {
namespace {

Bytes tensor_of(const TensorCase& one) { return pattern(one.tensor_bytes(), 1); }
Bytes shared_bytes() { return pattern(kBoxBytes, 2); }

// The bytes of element `i` at `offset`.
void copy_element(const TensorCase& one, const Bytes& from, uint64_t source, Bytes& to,
                  uint64_t target) {
  std::copy_n(from.begin() + static_cast<ptrdiff_t>(source), one.element_bytes(),
              to.begin() + static_cast<ptrdiff_t>(target));
}

void expect_loads(const TensorCase& one, Settings settings = {}) {
  const Bytes tensor = tensor_of(one);
  const TensorResult result =
      run_tensor_program(one, load_box(one), tensor, shared_bytes(), std::move(settings));
  ASSERT_FALSE(result.fault) << result.fault->report();
  Bytes expected = shared_bytes();
  for_each_element(one, [&](std::optional<uint64_t> from, uint32_t to) {
    if (from) {
      copy_element(one, tensor, *from, expected, to);
    } else {
      copy_element(one, Bytes(8), 0, expected, to);
    }
  });
  EXPECT_EQ(result.shared, expected);
}

// What stores see: the chunk in which a row ends is theirs to its end.
TensorCase in_whole_chunks(TensorCase one) {
  const uint64_t elements = 16 / one.element_bytes();
  one.map.size[0] = (one.map.size[0] + elements - 1) / elements * elements;
  return one;
}

void expect_stores(const TensorCase& one, Settings settings = {}) {
  const Bytes shared = shared_bytes();
  const TensorResult result =
      run_tensor_program(one, store_box(one), tensor_of(one), shared, std::move(settings));
  ASSERT_FALSE(result.fault) << result.fault->report();
  Bytes expected = tensor_of(one);
  for_each_element(in_whole_chunks(one), [&](std::optional<uint64_t> to, uint32_t from) {
    if (to) copy_element(one, shared, from, expected, *to);
  });
  EXPECT_EQ(result.tensor, expected);
}

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

Settings adversarial() {
  Settings settings;
  settings.schedule = Schedule::kAdversarial;
  return settings;
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

// Pixels of 5 x 4, 3 slices of 16 or 32 bytes each, two images; a box of 4 x 2 pixels of a slice.
TensorCase interleaved_case(TensorInterleave interleave, std::vector<int32_t> at) {
  const uint64_t slice = slice_of(interleave);
  TensorCase one = make_case(TensorType::kF32, {5, 4, 3, 2}, {4, 2, 1, 1}, std::move(at));
  one.map.interleave = interleave;
  one.map.strides = {5 * slice, 20 * slice, 60 * slice};
  return one;
}

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

// --- Reductions.

template <class T>
std::vector<T> reduce(TensorType type, std::string_view operation, const std::vector<T>& old,
                      const std::vector<T>& values, Settings settings = {}) {
  const auto count = static_cast<uint32_t>(old.size());
  const TensorCase one = make_case(type, {count}, {count}, {0});
  Bytes tensor(count * sizeof(T));
  std::memcpy(tensor.data(), old.data(), tensor.size());
  Bytes shared(kBoxBytes);
  std::memcpy(shared.data(), values.data(), tensor.size());
  const TensorResult result =
      run_tensor_program(one, reduce_box(one, operation), tensor, shared, std::move(settings));
  EXPECT_FALSE(result.fault) << result.fault->report();
  std::vector<T> found(count);
  std::memcpy(found.data(), result.tensor.data(), tensor.size());
  return found;
}

TEST(TensorReduction, CombinesIntegers) {
  using U32 = std::vector<uint32_t>;
  using S32 = std::vector<int32_t>;
  using U64 = std::vector<uint64_t>;
  const U32 old = {1, 0xffffffff, 5, 0};
  const U32 values = {2, 3, 5, 9};
  EXPECT_EQ(reduce(TensorType::kU32, "add", old, values), (U32{3, 2, 10, 9}));
  EXPECT_EQ(reduce(TensorType::kU32, "min", old, values), (U32{1, 3, 5, 0}));
  EXPECT_EQ(reduce(TensorType::kU32, "max", old, values), (U32{2, 0xffffffff, 5, 9}));
  EXPECT_EQ(reduce(TensorType::kU32, "inc", old, values), (U32{2, 0, 0, 1}));
  EXPECT_EQ(reduce(TensorType::kU32, "dec", old, values), (U32{0, 3, 4, 9}));
  EXPECT_EQ(reduce(TensorType::kU32, "and", old, values), (U32{0, 3, 5, 0}));
  EXPECT_EQ(reduce(TensorType::kU32, "or", old, values), (U32{3, 0xffffffff, 5, 9}));
  EXPECT_EQ(reduce(TensorType::kU32, "xor", old, values), (U32{3, 0xfffffffc, 0, 9}));
  EXPECT_EQ(reduce<int32_t>(TensorType::kS32, "min", {1, -7, 5, 0}, {2, 3, -5, 9}),
            (S32{1, -7, -5, 0}));
  EXPECT_EQ(reduce<uint64_t>(TensorType::kU64, "add", {~0ULL, 1}, {2, 1ULL << 40}),
            (U64{1, (1ULL << 40) + 1}));
}

TEST(TensorReduction, AddsFloats) {
  using F32 = std::vector<float>;
  EXPECT_EQ(reduce<float>(TensorType::kF32, "add", {1, 2, 3, 4}, {0.5F, -2, 1e-8F, 4}),
            (F32{1.5F, 0, 3, 8}));
  using U16 = std::vector<uint16_t>;
  // f16 1.0 + 1.0, and bf16 1.0 + 2^-9, a tie that goes to even.
  EXPECT_EQ(reduce<uint16_t>(TensorType::kF16, "add", U16(8, 0x3c00), U16(8, 0x3c00)),
            U16(8, 0x4000));
  EXPECT_EQ(reduce<uint16_t>(TensorType::kBf16, "add", U16(8, 0x3f80), U16(8, 0x3b80)),
            U16(8, 0x3f80));
  EXPECT_EQ(reduce<uint16_t>(TensorType::kBf16, "max", U16(8, 0x3f80), U16(8, 0xbf80)),
            U16(8, 0x3f80));
}

TEST(TensorReduction, FlushesSubnormalsWhereTheTypeSaysSo) {
  using U32 = std::vector<uint32_t>;
  const U32 old = {0x00800000, 0x807fffff, 0x00000001, 0x7f800000};
  const U32 values = {0x00000001, 0x00800000, 0x80000000, 0xff800000};
  for (const TensorType type : {TensorType::kF32, TensorType::kTf32}) {
    EXPECT_EQ(reduce(type, "add", old, values), (U32{0x00800001, 1, 1, 0x7fffffff}));
  }
  for (const TensorType type : {TensorType::kF32Ftz, TensorType::kTf32Ftz}) {
    EXPECT_EQ(reduce(type, "add", old, values), (U32{0x00800000, 0x00800000, 0, 0x7fffffff}));
  }
}

TEST(TensorReduction, LeavesWhatLiesOutsideAlone) {
  const TensorCase one = make_case(TensorType::kU32, {10, 3}, {8, 2}, {4, 2});
  const Bytes shared = shared_bytes();
  const TensorResult result =
      run_tensor_program(one, reduce_box(one, "xor"), tensor_of(one), shared);
  ASSERT_FALSE(result.fault) << result.fault->report();
  Bytes expected = tensor_of(one);
  for_each_element(in_whole_chunks(one), [&](std::optional<uint64_t> to, uint32_t from) {
    for (uint32_t i = 0; to && i < 4; ++i) expected[*to + i] ^= shared[from + i];
  });
  EXPECT_EQ(result.tensor, expected);
}

TEST(TensorReduction, AddsDoubles) {
  using F64 = std::vector<double>;
  EXPECT_EQ(reduce<double>(TensorType::kF64, "add", {1, 2}, {0x1p-52, -3}), (F64{1 + 0x1p-52, -1}));
}

TEST(TensorReduction, RefusesWhatDevicesDoNotHave) {
  for (const auto& [type, operation] : {std::pair{TensorType::kF32, "min"},
                                        {TensorType::kS32, "inc"},
                                        {TensorType::kU8, "add"},
                                        {TensorType::kF16, "and"},
                                        {TensorType::kS64, "add"},
                                        {TensorType::kS64, "xor"}}) {
    const TensorCase one = make_case(type, {16}, {16}, {0});
    const TensorResult result =
        run_tensor_program(one, reduce_box(one, operation), tensor_of(one), shared_bytes());
    ASSERT_TRUE(result.fault);
    EXPECT_EQ(result.fault->message,
              fmt::format("there is no reduction .{} of {} tensors", operation, name_of(type)));
  }
}

// --- When they take place.

TEST(LateTensorCopies, ArriveWhenTheirMbarrierIsWaitedFor) {
  TensorCase one = make_case(TensorType::kBf16, {128, 12}, {64, 9}, {-8, 1});
  one.map.swizzle = TensorSwizzle::k128Bytes;
  expect_loads(one, adversarial());
  // What is read too early is put in its place afterwards.
  const std::string last = fmt::format("[%r1+{}]", one.box_bytes() - 4);
  std::string load = load_box(one);
  load.insert(load.find("wait:"), "  ld.shared.u32 %r9, " + last + ";\n");
  load += "  st.shared.u32 " + last + ", %r9;\n";
  const TensorResult result =
      run_tensor_program(one, load, tensor_of(one), shared_bytes(), adversarial());
  ASSERT_FALSE(result.fault) << result.fault->report();
  EXPECT_EQ(result.shared[one.box_bytes() - 1], 0xff);
}

TEST(LateTensorCopies, MustNotOutliveTheirCta) {
  const TensorCase one = make_case(TensorType::kBf16, {128, 12}, {64, 9}, {0, 0});
  const std::string load = load_box(one);
  const TensorResult result = run_tensor_program(one, load.substr(0, load.find("wait:")),
                                                 tensor_of(one), shared_bytes(), adversarial());
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kUseAfterFree);
}

TEST(LateTensorCopies, ReadSharedMemoryWhenTheirGroupIsWaitedFor) {
  const TensorCase one = make_case(TensorType::kU32, {4, 2}, {4, 2}, {0, 0});
  const std::string issue = store_box(one).substr(0, store_box(one).find("cp.async.bulk.wait"));
  const std::string overwrite = "  mov.u32 %r9, 7;\n  st.shared.u32 [%r1], %r9;\n";
  const auto first_byte = [&](const std::string& body, Settings settings) {
    const TensorResult result =
        run_tensor_program(one, body, tensor_of(one), shared_bytes(), std::move(settings));
    EXPECT_FALSE(result.fault) << result.fault->report();
    return result.tensor[0];
  };
  const uint8_t before = shared_bytes()[0];
  ASSERT_NE(before, 7);
  const std::string read = "  cp.async.bulk.wait_group.read 0;\n";
  const std::string whole = "  cp.async.bulk.wait_group 0;\n";
  EXPECT_EQ(first_byte(issue + overwrite + whole, {}), before);
  EXPECT_EQ(first_byte(issue + overwrite + whole, adversarial()), 7);
  EXPECT_EQ(first_byte(issue + read + overwrite + whole, adversarial()), before);
  EXPECT_EQ(first_byte(issue + read + overwrite, adversarial()), before);  // at the thread's exit
}

TEST(LateTensorCopies, ReduceLateToo) {
  using U32 = std::vector<uint32_t>;
  EXPECT_EQ(reduce<uint32_t>(TensorType::kU32, "add", {1, 2, 3, 4}, {5, 6, 7, 8}, adversarial()),
            (U32{6, 8, 10, 12}));
}

// --- The race check.

// CTA 0 runs `first`, CTA 1 loads the box. Whether the check finds a race in the tensor.
bool races_with_load(const TensorCase& one, const std::string& first) {
  const std::string body = fmt::format(R"(
  mov.u32 %r8, %ctaid.x;
  setp.ne.u32 %p3, %r8, 0;
  @%p3 bra second;
{}
  bra done;
second:
{})",
                                       first, load_box(one));
  Settings settings;
  settings.check_races = true;
  const TensorResult result =
      run_tensor_program(one, body, tensor_of(one), shared_bytes(), settings, {2, 1, 1});
  EXPECT_FALSE(result.fault) << result.fault->report();
  return std::ranges::any_of(
      result.races, [](const RaceFinding& race) { return race.allocation.starts_with("tensor"); });
}

TEST(TensorCopyRaces, AreFoundWhereABoxIsStoredAndLoadedUnordered) {
  TensorCase one = make_case(TensorType::kU32, {64, 4}, {32, 2}, {8, 1});
  one.map.swizzle = TensorSwizzle::k128Bytes;
  EXPECT_TRUE(races_with_load(one, store_box(one)));
  EXPECT_TRUE(races_with_load(one, reduce_box(one, "add")));
  EXPECT_FALSE(races_with_load(one, ""));
  // Rows 3 and 4, of which there is only the first.
  EXPECT_FALSE(races_with_load(one, "  mov.b32 %r11, 3;\n" + store_box(one)));
}

// --- Faults.

Fault fault_of(const TensorCase& one, std::string_view body) {
  const TensorResult result = run_tensor_program(one, body, tensor_of(one), shared_bytes());
  EXPECT_TRUE(result.fault);
  return result.fault.value_or(Fault{});
}

TEST(TensorCopyFault, NamesABoxThatDoesNotStartAtAChunk) {
  const TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {4, 0});
  const Fault fault = fault_of(one, load_box(one));
  EXPECT_EQ(fault.kind, FaultKind::kIllegalInstruction);
  EXPECT_NE(fault.message.find("coordinate 0 is 4, so that the box does not start at a multiple of "
                               "16 bytes in its f16 tensor"),
            std::string::npos)
      << fault.message;
}

TEST(TensorCopyFault, WantsTheBoxAtAMultipleOf128) {
  TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 0});
  one.shared_offset = 64;
  EXPECT_EQ(fault_of(one, load_box(one)).kind, FaultKind::kMisaligned);
  EXPECT_EQ(fault_of(one, store_box(one)).kind, FaultKind::kMisaligned);
}

TEST(TensorCopyFault, NamesAMapThatWasNeverEncoded) {
  const TensorCase one = make_case(TensorType::kF16, {64}, {16}, {0});
  // The tensor itself is no map.
  const std::string body = "  ld.param.u64 %rd5, [out];\n" + load_box(one);
  const Fault fault = fault_of(one, body);
  EXPECT_EQ(fault.kind, FaultKind::kIllegalInstruction);
  EXPECT_NE(fault.message.find("it was never encoded, or something wrote over it"),
            std::string::npos)
      << fault.message;
}

TEST(TensorCopyFault, NamesARankThatIsNotTheMaps) {
  TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 0});
  TensorCase flat = one;
  flat.map.rank = 1;
  const Fault fault = fault_of(one, load_box(flat));
  EXPECT_NE(fault.message.find("its tensor has rank 2, and the copy 1 coordinates"),
            std::string::npos)
      << fault.message;
}

TEST(TensorCopyFault, FindsATensorThatIsLongerThanItsMemory) {
  TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 6});
  const Bytes tensor = tensor_of(one);
  one.map.size[1] = 8;
  const TensorResult result = run_tensor_program(one, load_box(one), tensor, shared_bytes());
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kOutOfBounds);
}

TEST(TensorCopyFault, NamesABoxThatNoSharedMemoryHolds) {
  TensorCase one = make_case(TensorType::kU8, {16, 4, 4, 4}, {16, 2, 2, 2}, {0, 0, 0, 0});
  const std::string load = load_box(one);
  const Bytes tensor = tensor_of(one);
  one.map.box = {16, 256, 256, 256};
  const TensorResult result = run_tensor_program(one, load, tensor, shared_bytes());
  ASSERT_TRUE(result.fault);
  EXPECT_NE(result.fault->message.find("the box must fit into the 232448 bytes of shared memory of "
                                       "a CTA, it takes 268435456"),
            std::string::npos)
      << result.fault->message;
}

TEST(TensorCopyFault, NamesCopiesOfInterleavedTensorsThatAreNotThere) {
  const auto expect_named = [](auto change, std::string_view part) {
    TensorCase one = interleaved_case(TensorInterleave::k16Bytes, {0, 0, 0, 0});
    change(one);
    const std::string message = fault_of(one, load_box(one)).message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect_named([](TensorCase& one) { one.map.box[2] = 5; },
               "boxes of more than a slice of 16 bytes are not supported; boxDim[2] is 5");
  expect_named([](TensorCase& one) { one.map.step[0] = 2; },
               "steps in dimension 0 are not supported; elementStrides[0] is 2");
  expect_named([](TensorCase& one) { one.at[0] = 1; },
               "coordinate 0 must be a multiple of 4 where elements have 4 bytes");
  expect_named([](TensorCase& one) { one.map.swizzle = TensorSwizzle::k128Bytes; },
               "swizzled rows must be a multiple of the swizzle's 128 bytes");
}

TEST(TensorCopyFault, NamesModesThatAreNotThere) {
  const TensorCase one = make_case(TensorType::kF16, {64, 4, 4}, {16, 2, 2}, {0, 0, 0});
  const std::string body =
      "  mov.b16 %h1, 0;\n  cp.async.bulk.tensor.3d.shared::cluster.global.im2col.mbarrier::"
      "complete_tx::bytes [%r1], [%rd5, {%r10, %r11, %r12}], [%r2], {%h1};\n";
  try {
    (void)run_tensor_program(one, body, tensor_of(one), shared_bytes());
    FAIL() << "an instruction that is not there was accepted";
  } catch (const LaunchError& error) {
    EXPECT_NE(std::string(error.what()).find("im2col"), std::string::npos) << error.what();
  }
}

// The last 64 bytes of the last of eight rows have no values; what they swizzle to are the first of that line.
TEST(TensorLoad, TakesBytesAlongThatNobodyWroteAndThatNobodyReads) {
  TensorCase one = make_case(TensorType::kF32, {32, 8}, {32, 8}, {0, 0});
  one.map.swizzle = TensorSwizzle::k128Bytes;
  const auto reports = [&](std::string_view after) {
    size_t count = 0;
    Settings settings;
    settings.report_observation = [&](const Fault&) { ++count; };
    const TensorResult result =
        run_tensor_program(one, load_box(one) + std::string(after), tensor_of(one), shared_bytes(),
                           settings, {}, one.tensor_bytes() - 64);
    EXPECT_FALSE(result.fault);
    return count;
  };
  const auto overwrite = [](uint32_t from) {
    std::string text = "mov.u32 %r30, 0;\n";
    for (uint32_t at = 0; at < 64; at += 16) {
      text += fmt::format("st.shared.v4.u32 [%r1+{}], {{%r30, %r30, %r30, %r30}};\n", from + at);
    }
    return text;
  };
  EXPECT_EQ(reports(""), 1U);
  EXPECT_EQ(reports(overwrite(7 * 128 + 64)), 1U);
  EXPECT_EQ(reports(overwrite(7 * 128)), 0U);
}

TEST(TensorPrefetch, ChecksItsMap) {
  const TensorCase one = make_case(TensorType::kF16, {64, 4}, {16, 2}, {0, 0});
  const std::string prefetch =
      "  cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%rd5, {%r10, "
      "%r11}];\n  prefetch.tensormap [%rd5];\n";
  EXPECT_FALSE(run_tensor_program(one, prefetch, tensor_of(one), shared_bytes()).fault);
  EXPECT_TRUE(run_tensor_program(one, "  ld.param.u64 %rd5, [out];\n" + prefetch, tensor_of(one),
                                 shared_bytes())
                  .fault);
}

}  // namespace
}  // namespace slipstream::emulator::tensor_copy_test
