// What mla_rope_quantize_fp8 refuses.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "ops/mla_rope_quantize_fp8/operator.h"
#include "support/mirror.h"
#include "support/rejection.h"

namespace slipstream::ops::mla_rope_quantize_fp8_check_test {
namespace {

using test::expect_rejected;
using test::make_tensor;

constexpr int64_t kTokens = 3;
constexpr int64_t kHeads = 2;
constexpr int64_t kRope = 8;
constexpr int64_t kNope = 16;
constexpr int64_t kRow = kNope + kRope;

// A valid call whose outputs are slices of one array, as SGLang passes them.
struct Call {
  std::vector<uint16_t> q = std::vector<uint16_t>(kTokens * kHeads * kRow);
  std::vector<uint16_t> k = std::vector<uint16_t>(kTokens * kRow);
  std::vector<uint8_t> q_out = std::vector<uint8_t>(kTokens * kHeads * kRow);
  std::vector<uint8_t> k_out = std::vector<uint8_t>(kTokens * kRow);
  std::vector<float> table = std::vector<float>(10 * kRope);
  std::vector<int32_t> positions = std::vector<int32_t>(kTokens);
  MlaRopeQuantizeArguments arguments{
      .q_rope = part(q.data(), DType::kBFloat16, kHeads, kNope, kRope),
      .k_rope = part(k.data(), DType::kBFloat16, 1, kNope, kRope),
      .q_nope = part(q.data(), DType::kBFloat16, kHeads, 0, kNope),
      .k_nope = part(k.data(), DType::kBFloat16, 1, 0, kNope),
      .cos_sin_cache = make_tensor(table.data(), DType::kFloat32, {10, kRope}),
      .pos_ids = make_tensor(positions.data(), DType::kInt32, {kTokens}),
      .q_rope_out = part(q_out.data(), DType::kFloat8E4M3, kHeads, kNope, kRope),
      .k_rope_out = part(k_out.data(), DType::kFloat8E4M3, 1, kNope, kRope),
      .q_nope_out = part(q_out.data(), DType::kFloat8E4M3, kHeads, 0, kNope),
      .k_nope_out = part(k_out.data(), DType::kFloat8E4M3, 1, 0, kNope)};

  static Tensor part(void* data, DType dtype, int64_t heads, int64_t offset, int64_t columns) {
    return make_tensor(data, dtype, {kTokens, heads, columns}, {offset, {heads * kRow, kRow, 1}});
  }
  [[nodiscard]] MlaRopeQuantizeFp8Params check() const {
    return check_mla_rope_quantize_fp8(Arguments("mla_rope_quantize_fp8", MemoryPlace::kHost),
                                       arguments);
  }
};

TEST(MlaRopeQuantizeFp8Check, AcceptsOutputsThatAreSlicesOfOneArray) {
  const MlaRopeQuantizeFp8Params params = Call().check();
  EXPECT_EQ(params.tokens, kTokens);
  EXPECT_EQ(params.heads, kHeads);
  EXPECT_EQ(params.nope, kNope);
  EXPECT_EQ(params.table.rope, kRope);
}

TEST(MlaRopeQuantizeFp8Check, AcceptsMissingNopeParts) {
  Call call;
  call.arguments.q_nope = call.arguments.k_nope = Tensor();
  call.arguments.q_nope_out = call.arguments.k_nope_out = Tensor();
  EXPECT_EQ(call.check().nope, 0);
}

TEST(MlaRopeQuantizeFp8Check, RejectsABFloat16Table) {
  Call call;
  call.arguments.cos_sin_cache.dtype = DType::kBFloat16;
  expect_rejected("mla_rope_quantize_fp8: cos_sin_cache must be float32, is bfloat16[10, 8]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(MlaRopeQuantizeFp8Check, RejectsAnOddTable) {
  Call call;
  call.arguments.cos_sin_cache.shape[1] = 7;
  expect_rejected("cos_sin_cache must be of an even width of at least 2",
                  [&] { static_cast<void>(call.check()); });
}

TEST(MlaRopeQuantizeFp8Check, RejectsARopePartThatTheTableDoesNotFit) {
  Call call;
  call.arguments.k_rope.shape[2] = 6;
  expect_rejected("k_rope must be of size 8 in axis 2, is bfloat16[3, 1, 6]",
                  [&] { static_cast<void>(call.check()); });
}

TEST(MlaRopeQuantizeFp8Check, RejectsAMissingOutputOfAPartThatIsThere) {
  Call call;
  call.arguments.q_nope_out = Tensor();
  expect_rejected("q_nope_out must be of size 16 in axis 2",
                  [&] { static_cast<void>(call.check()); });
}

TEST(MlaRopeQuantizeFp8Check, RejectsOutputsOfTwoFormats) {
  Call call;
  call.arguments.k_nope_out.dtype = DType::kFloat8E5M2;
  expect_rejected("k_nope_out must be float8_e4m3fn, is float8_e5m2",
                  [&] { static_cast<void>(call.check()); });
}

TEST(MlaRopeQuantizeFp8Check, RejectsOutputsThatShareAColumn) {
  Call call;
  call.arguments.q_rope_out =
      Call::part(call.q_out.data(), DType::kFloat8E4M3, kHeads, kNope - 1, kRope);
  expect_rejected("q_rope_out must be apart from q_nope_out",
                  [&] { static_cast<void>(call.check()); });
}

TEST(MlaRopeQuantizeFp8Check, RejectsAnOutputOnTopOfAnInput) {
  Call call;
  call.arguments.k_nope_out.data = call.k.data();
  expect_rejected("k_nope_out must be apart from k_rope", [&] { static_cast<void>(call.check()); });
}

TEST(MlaRopeQuantizeFp8Check, RejectsOnePositionTooMany) {
  Call call;
  call.positions.resize(kTokens + 1);
  call.arguments.pos_ids = make_tensor(call.positions.data(), DType::kInt32, {kTokens + 1});
  expect_rejected("pos_ids must be of size 3 in axis 0 (one per token), is int32[4]",
                  [&] { static_cast<void>(call.check()); });
}

}  // namespace
}  // namespace slipstream::ops::mla_rope_quantize_fp8_check_test
