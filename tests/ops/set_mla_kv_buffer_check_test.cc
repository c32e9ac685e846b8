// What the three cache writers refuse, and their references by hand.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "ops/set_mla_kv_buffer/operator.h"
#include "ops/set_mla_kv_buffer/reference.h"
#include "ops/set_mla_kv_buffer_fp8/operator.h"
#include "ops/set_mla_kv_buffer_fp8/reference.h"
#include "ops/support/reference.h"
#include "support/mirror.h"
#include "support/random.h"
#include "support/rejection.h"

namespace slipstream::ops::set_mla_kv_buffer_check_test {
namespace {

using test::expect_rejected;
using test::make_tensor;

const Arguments kHost("set_mla_kv_buffer", MemoryPlace::kHost);

// A valid call that each test spoils in one place.
struct Call {
  std::vector<uint16_t> cache = std::vector<uint16_t>(8 * 24);
  std::vector<int32_t> slots{1, 2, 3};
  std::vector<uint16_t> nope_values = std::vector<uint16_t>(3 * 16);
  std::vector<uint16_t> rope_values = std::vector<uint16_t>(3 * 8);
  Tensor kv_buffer = make_tensor(cache.data(), DType::kBFloat16, {8, 24});
  Tensor loc = make_tensor(slots.data(), DType::kInt32, {3});
  Tensor nope = make_tensor(nope_values.data(), DType::kBFloat16, {3, 16});
  Tensor rope = make_tensor(rope_values.data(), DType::kBFloat16, {3, 8});
  SlotOptions options = {};

  [[nodiscard]] SetMlaKvBufferParams check() const {
    return check_set_mla_kv_buffer(kHost, kv_buffer, loc, nope, rope, options);
  }
};

TEST(SetMlaKvBufferCheck, AcceptsTheCallThatTheOthersSpoil) {
  EXPECT_NO_THROW(static_cast<void>(Call().check()));
}

TEST(SetMlaKvBufferCheck, RejectsAThreeAxisBufferWithTwoHeads) {
  Call call;
  call.kv_buffer = make_tensor(call.cache.data(), DType::kBFloat16, {4, 2, 24});
  expect_rejected("set_mla_kv_buffer: kv_buffer must be of size 1 in axis 1, is bfloat16[4, 2, 24]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsFloat32Rows) {
  Call call;
  std::vector<float> rows(8 * 24);
  call.kv_buffer = make_tensor(rows.data(), DType::kFloat32, {8, 24});
  expect_rejected("kv_buffer must be of a 1- or 2-byte dtype, is float32[8, 24]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsAnInputOfAnotherDtype) {
  Call call;
  call.nope.dtype = DType::kFloat16;
  call.rope.dtype = DType::kFloat16;
  expect_rejected("cache_k_nope must be bfloat16, is float16[3, 16]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsFloatSlots) {
  Call call;
  call.loc.dtype = DType::kFloat32;
  expect_rejected("loc must be int32 or int64, is float32[3]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsOneSlotTooFew) {
  Call call;
  call.loc.shape[0] = 2;
  expect_rejected("loc must be of size 3 in axis 0 (one per token), is int32[2]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsRowsThatAreWiderThanTheBuffer) {
  Call call;
  call.kv_buffer.shape[1] = 23;
  expect_rejected("together must be of 1 to 23 columns, as kv_buffer has, is of 16 and 8",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsAColumnStride) {
  Call call;
  call.rope = make_tensor(call.rope_values.data(), DType::kBFloat16, {3, 4}, {0, {8, 2}});
  expect_rejected("cache_k_rope must be contiguous in its last axis (stride 1)",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsBufferRowsThatOverlap) {
  Call call;
  call.kv_buffer.strides[0] = 23;
  expect_rejected("kv_buffer must be without two elements at one address",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsAnInputInsideTheBuffer) {
  Call call;
  call.nope = make_tensor(call.cache.data() + 24, DType::kBFloat16, {3, 16});
  expect_rejected("kv_buffer must be apart from cache_k_nope",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsANullPointer) {
  Call call;
  call.rope.data = nullptr;
  expect_rejected("cache_k_rope must be device memory, is a null pointer",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferCheck, RejectsACounterOfTwo) {
  Call call;
  std::array<int32_t, 2> counters{};
  call.options.dropped = make_tensor(counters.data(), DType::kInt32, {2});
  expect_rejected("dropped must be of size 1 in axis 0, is int32[2]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(SetMlaKvBufferReference, DropsReservedAndOutsideSlotsAndCountsTheLatter) {
  Call call;
  call.slots = {0, 8, 5};
  call.cache.assign(call.cache.size(), 7);
  call.nope_values.assign(call.nope_values.size(), 1);
  call.rope_values.assign(call.rope_values.size(), 2);
  int32_t dropped = 10;
  call.options.dropped = make_tensor(&dropped, DType::kInt32, {1});
  set_mla_kv_buffer_reference(call.check());
  std::vector<uint16_t> expected(call.cache.size(), 7);
  std::fill_n(expected.begin() + 5 * 24, 16, 1);
  std::fill_n(expected.begin() + 5 * 24 + 16, 8, 2);
  EXPECT_EQ(call.cache, expected);
  EXPECT_EQ(dropped, 11);
}

// A valid call of the 656-byte writer.
struct Call656 {
  std::vector<uint8_t> cache = std::vector<uint8_t>(3 * 656);
  std::vector<int64_t> slots{2};
  std::vector<uint16_t> nope_values = std::vector<uint16_t>(512);
  std::vector<uint16_t> rope_values = std::vector<uint16_t>(64);
  Tensor kv_buffer = make_tensor(cache.data(), DType::kUInt8, {3, 1, 656});
  Tensor loc = make_tensor(slots.data(), DType::kInt64, {1});
  Tensor nope = make_tensor(nope_values.data(), DType::kBFloat16, {1, 512});
  Tensor rope = make_tensor(rope_values.data(), DType::kBFloat16, {1, 64});

  [[nodiscard]] SetMlaKvBufferFp8Row656Params check(ScaleFormat format) const {
    return check_set_mla_kv_buffer_fp8_656(kHost, kv_buffer, loc, nope, rope, format, {});
  }
  [[nodiscard]] float scale(int group) const {
    float value = 0.0F;
    std::memcpy(&value, cache.data() + 2 * 656 + 512 + 4 * group, 4);
    return value;
  }
};

TEST(SetMlaKvBufferFp8Row656Check, RejectsA657ByteRow) {
  Call656 call;
  std::vector<uint8_t> cache(657);
  call.kv_buffer = make_tensor(cache.data(), DType::kUInt8, {1, 657});
  expect_rejected("kv_buffer must be of size 656 in axis 1, is uint8[1, 657]",
                  [&] { static_cast<void>(call.check(ScaleFormat::kFloat32)); });
}

TEST(SetMlaKvBufferFp8Row656Check, RejectsAMissingRopePart) {
  Call656 call;
  call.rope = Tensor();
  expect_rejected("cache_k_rope must be of rank 2 or 3",
                  [&] { static_cast<void>(call.check(ScaleFormat::kFloat32)); });
}

TEST(SetMlaKvBufferFp8Check, RejectsACacheThatIsNotFp8) {
  Call call;
  expect_rejected("kv_buffer must be float8_e4m3fn or float8_e5m2, is bfloat16[8, 24]", [&] {
    static_cast<void>(check_set_mla_kv_buffer_fp8(kHost, call.kv_buffer, call.loc, call.nope,
                                                  call.rope, call.options));
  });
}

TEST(SetMlaKvBufferFp8Row656Reference, RestoresTheLatentsWithinHalfAStepAndTheRopeExactly) {
  test::Random random(7);
  for (const ScaleFormat format : {ScaleFormat::kFloat32, ScaleFormat::kPowerOfTwo}) {
    Call656 call;
    for (auto& bits : call.nope_values) bits = bits_from_float(random.value(), DType::kBFloat16);
    for (auto& bits : call.rope_values) bits = bits_from_float(random.value(), DType::kBFloat16);
    set_mla_kv_buffer_fp8_656_reference(call.check(format));
    const uint8_t* row = call.cache.data() + 2 * 656;
    for (int i = 0; i < 512; ++i) {
      const float value = float_from_bits(call.nope_values[i], DType::kBFloat16);
      const int code = row[i];
      // e4m3: four bits of exponent with bias 7, three of fraction.
      const int exponent = (code & 0x7f) >> 3;
      const double magnitude =
          exponent == 0 ? std::ldexp(code & 7, -9) : std::ldexp(8 + (code & 7), exponent - 10);
      const double restored = (code >= 0x80 ? -magnitude : magnitude) * call.scale(i / 128);
      ASSERT_NEAR(restored, value, std::abs(value) / 16 + call.scale(i / 128) * 0x1p-10) << i;
    }
    EXPECT_EQ(std::memcmp(row + 528, call.rope_values.data(), 128), 0);
  }
}

TEST(SetMlaKvBufferFp8Row656Reference, GivesAGroupOfZerosTheSmallestScaleAndCodesZero) {
  Call656 call;
  call.nope_values[511] = bits_from_float(448.0F, DType::kBFloat16);
  set_mla_kv_buffer_fp8_656_reference(call.check(ScaleFormat::kFloat32));
  EXPECT_EQ(call.scale(0), 1e-10F / 448.0F);
  EXPECT_EQ(call.scale(3), 1.0F);
  EXPECT_EQ(call.cache[2 * 656], 0);
  EXPECT_EQ(call.cache[2 * 656 + 511], 0x7e);
}

}  // namespace
}  // namespace slipstream::ops::set_mla_kv_buffer_check_test
