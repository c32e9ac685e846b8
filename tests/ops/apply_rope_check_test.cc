// What apply_rope_with_cos_sin_cache_inplace refuses, and its reference by hand.
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ops/apply_rope/operator.h"
#include "ops/apply_rope/reference.h"
#include "ops/support/reference.h"
#include "support/mirror.h"
#include "support/rejection.h"

namespace slipstream::ops::apply_rope_check_test {
namespace {

using test::expect_rejected;
using test::make_tensor;

constexpr int64_t kTokens = 2;
constexpr int64_t kHeadSize = 8;
constexpr int64_t kSlots = 4;

// A valid call: two query heads and one key head in one array, and a save.
struct Call {
  std::vector<uint16_t> qk = std::vector<uint16_t>(kTokens * 3 * kHeadSize);
  std::vector<uint16_t> v = std::vector<uint16_t>(kTokens * kHeadSize);
  std::vector<uint16_t> k_cache = std::vector<uint16_t>(kSlots * kHeadSize);
  std::vector<uint16_t> v_cache = std::vector<uint16_t>(kSlots * kHeadSize);
  std::vector<float> table = std::vector<float>(5 * 4);
  std::vector<int32_t> position_values{1, 2};
  std::vector<int64_t> slot_values{3, 0};

  Tensor positions = make_tensor(position_values.data(), DType::kInt32, {kTokens});
  Tensor query =
      make_tensor(qk.data(), DType::kBFloat16, {kTokens, 2 * kHeadSize}, {0, {3 * kHeadSize, 1}});
  Tensor key = make_tensor(qk.data(), DType::kBFloat16, {kTokens, kHeadSize},
                           {2 * kHeadSize, {3 * kHeadSize, 1}});
  Tensor cos_sin_cache = make_tensor(table.data(), DType::kFloat32, {5, 4});
  int64_t head_size = kHeadSize;
  std::optional<FusedSetKvBuffer> save = FusedSetKvBuffer{
      .value = make_tensor(v.data(), DType::kBFloat16, {kTokens, kHeadSize}),
      .k_buffer = make_tensor(k_cache.data(), DType::kBFloat16, {kSlots, kHeadSize}),
      .v_buffer = make_tensor(v_cache.data(), DType::kBFloat16, {kSlots, kHeadSize}),
      .cache_loc = make_tensor(slot_values.data(), DType::kInt64, {kTokens}),
      .dropped = Tensor()};

  [[nodiscard]] ApplyRopeParams check() const {
    return check_apply_rope(Arguments("apply_rope", MemoryPlace::kHost), positions, query, key,
                            head_size, cos_sin_cache, RopeLayout::kHalfSplit, save);
  }
};

TEST(ApplyRopeCheck, AcceptsQueryAndKeyInOneArray) {
  const ApplyRopeParams params = Call().check();
  EXPECT_EQ(params.q_heads, 2);
  EXPECT_EQ(params.kv_heads, 1);
  EXPECT_EQ(params.query.head_stride, kHeadSize);
  EXPECT_EQ(params.query.token_stride, 3 * kHeadSize);
}

TEST(ApplyRopeCheck, RejectsAQueryThatIsNotWholeHeads) {
  Call call;
  call.query.shape[1] = 12;
  expect_rejected("apply_rope: query must be a multiple of head_size 8 wide, is bfloat16[2, 12]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(ApplyRopeCheck, RejectsATableWiderThanAHead) {
  Call call;
  std::vector<float> wide(5 * 10);
  call.cos_sin_cache = make_tensor(wide.data(), DType::kFloat32, {5, 10});
  expect_rejected("cos_sin_cache must be at most head_size 8 wide, is float32[5, 10]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(ApplyRopeCheck, RejectsAKeyOfAnotherDtype) {
  Call call;
  call.key.dtype = DType::kFloat16;
  expect_rejected("key must be bfloat16, is float16", [&] { static_cast<void>(call.check()); });
}

TEST(ApplyRopeCheck, RejectsQueryAndKeyThatShareAColumn) {
  Call call;
  call.key = make_tensor(call.qk.data(), DType::kBFloat16, {kTokens, kHeadSize},
                         {2 * kHeadSize - 1, {3 * kHeadSize, 1}});
  expect_rejected("query must be apart from key", [&] { static_cast<void>(call.check()); });
}

TEST(ApplyRopeCheck, RejectsCachesOfDifferentLength) {
  Call call;
  call.save->v_buffer.shape[0] = kSlots - 1;
  expect_rejected("v_buffer must be of size 4 in axis 0 as k_buffer has",
                  [&] { static_cast<void>(call.check()); });
}

TEST(ApplyRopeCheck, RejectsValuesOfMoreHeadsThanKeys) {
  Call call;
  std::vector<uint16_t> values(kTokens * 2 * kHeadSize);
  call.save->value = make_tensor(values.data(), DType::kBFloat16, {kTokens, 2 * kHeadSize});
  expect_rejected("value must be of size 1 in axis 1 heads, as key has",
                  [&] { static_cast<void>(call.check()); });
}

TEST(ApplyRopeReference, TurnsByARightAngleAndSaves) {
  Call call;
  for (int64_t position = 0; position < 5; ++position) {
    call.table[position * 4 + 2] = call.table[position * 4 + 3] = 1.0F;  // cosine 0, sine 1
  }
  for (size_t i = 0; i < call.qk.size(); ++i) {
    call.qk[i] = bits_from_float(static_cast<float>(i % kHeadSize + 1), DType::kBFloat16);
  }
  for (auto& bits : call.v) bits = 99;
  apply_rope_reference(call.check());
  // Pairs (0, 2) and (1, 3): a' = -b, b' = a. The rest passes through.
  const std::vector<float> expected{-3, -4, 1, 2, 5, 6, 7, 8};
  for (size_t i = 0; i < call.qk.size(); ++i) {
    EXPECT_EQ(float_from_bits(call.qk[i], DType::kBFloat16), expected[i % kHeadSize]) << i;
  }
  for (int64_t i = 0; i < kHeadSize; ++i) {
    EXPECT_EQ(float_from_bits(call.k_cache[3 * kHeadSize + i], DType::kBFloat16), expected[i]);
    EXPECT_EQ(call.v_cache[0 * kHeadSize + i], 99);
    EXPECT_EQ(call.v_cache[1 * kHeadSize + i], 0);
  }
}

}  // namespace
}  // namespace slipstream::ops::apply_rope_check_test
