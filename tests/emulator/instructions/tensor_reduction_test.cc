// Copies of boxes of tensors that reduce, that arrive late, and that race.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "tensor_checks.h"

namespace slipstream::emulator::tensor_reduction_test {
namespace {

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

}  // namespace
}  // namespace slipstream::emulator::tensor_reduction_test
