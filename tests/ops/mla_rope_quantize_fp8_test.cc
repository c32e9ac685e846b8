#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/mla_rope_quantize_fp8/operator.h"
#include "ops/mla_rope_quantize_fp8/reference.h"
#include "slipstream/ops.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/random.h"

namespace slipstream::ops::mla_rope_quantize_fp8_test {
namespace {

using test::Mirror;

constexpr int64_t kMaxPosition = 40;

struct Case {
  int64_t tokens = 3;
  int64_t heads = 2;
  int64_t rope = 64;
  int64_t nope = 512;
  DType input = DType::kBFloat16;
  DType output = DType::kFloat8E4M3;
  RopeLayout layout = RopeLayout::kInterleaved;
  bool int64_positions = true;
  int64_t row_padding = 0;  // elements after each head; odd: nothing is aligned
  float quant_scale_q = 1.0F;
  float quant_scale_kv = 1.0F;
  std::vector<int64_t> positions = {};  // empty: random
  test::FloatFill fill = {};
};

Mirror table_mirror(int64_t rope) {
  std::vector<float> table;
  for (int64_t position = 0; position < kMaxPosition; ++position) {
    for (int64_t i = 0; i < rope; ++i) {
      const double angle =
          static_cast<double>(position) * std::pow(1e4, -2.0 * (i % (rope / 2)) / rope);
      table.push_back(static_cast<float>(i < rope / 2 ? std::cos(angle) : std::sin(angle)));
    }
  }
  return Mirror::of("cos_sin_cache", table);
}

Mirror position_mirror(const Case& c, test::Random& random) {
  std::vector<int64_t> positions = c.positions;
  while (static_cast<int64_t>(positions.size()) < c.tokens) {
    positions.push_back(random.integer(0, kMaxPosition - 1));
  }
  if (c.int64_positions) return Mirror::of("pos_ids", positions);
  return Mirror::of("pos_ids", std::vector<int32_t>(positions.begin(), positions.end()));
}

void run_case(const Case& c) {
  test::Random random(17);
  const int64_t row = c.nope + c.rope + c.row_padding;
  const int64_t q_size = c.tokens * c.heads * row;
  const int64_t k_size = c.tokens * row;
  Mirror q("q", random_floats(random, c.input, q_size, c.fill));
  Mirror k("k", random_floats(random, c.input, k_size, c.fill));
  Mirror q_out = Mirror::poisoned("q_out", q_size);
  Mirror k_out = Mirror::poisoned("k_out", k_size);
  Mirror table = table_mirror(c.rope);
  Mirror positions = position_mirror(c, random);

  const auto arguments = [&](test::Side side) {
    const auto part = [&](Mirror& mirror, DType dtype, int64_t heads, int64_t offset,
                          int64_t columns) {
      if (columns == 0) return Tensor();
      return side(mirror, dtype, {c.tokens, heads, columns}, {offset, {heads * row, row, 1}});
    };
    return MlaRopeQuantizeArguments{
        .q_rope = part(q, c.input, c.heads, c.nope, c.rope),
        .k_rope = part(k, c.input, 1, c.nope, c.rope),
        .q_nope = part(q, c.input, c.heads, 0, c.nope),
        .k_nope = part(k, c.input, 1, 0, c.nope),
        .cos_sin_cache = side(table, DType::kFloat32, {kMaxPosition, c.rope}, {}),
        .pos_ids =
            side(positions, c.int64_positions ? DType::kInt64 : DType::kInt32, {c.tokens}, {}),
        .q_rope_out = part(q_out, c.output, c.heads, c.nope, c.rope),
        .k_rope_out = part(k_out, c.output, 1, c.nope, c.rope),
        .q_nope_out = part(q_out, c.output, c.heads, 0, c.nope),
        .k_nope_out = part(k_out, c.output, 1, 0, c.nope),
        .layout = c.layout,
        .quant_scale_q = c.quant_scale_q,
        .quant_scale_kv = c.quant_scale_kv};
  };
  mla_rope_quantize_fp8_reference(check_mla_rope_quantize_fp8(
      Arguments("mla_rope_quantize_fp8", MemoryPlace::kHost), arguments(test::on_host)));
  const MlaRopeQuantizeArguments on_device = arguments(test::on_device);
  test::expect_matches_host(
      {&q, &k, &q_out, &k_out, &table, &positions},
      [&](const LaunchOptions& options) { mla_rope_quantize_fp8(on_device, options); });
}

TEST(MlaRopeQuantizeFp8, QuantisesOneTokenOfSixteenHeads) { run_case({.tokens = 1, .heads = 16}); }

TEST(MlaRopeQuantizeFp8, QuantisesSeventeenTokens) { run_case({.tokens = 17}); }

TEST(MlaRopeQuantizeFp8, QuantisesSeveralHeadsPerCtaWhereRowsAreMany) {
  run_case({.tokens = 90, .heads = 6, .rope = 16, .nope = 16});
}

TEST(MlaRopeQuantizeFp8, RotatesHalfSplitPairs) { run_case({.layout = RopeLayout::kHalfSplit}); }

TEST(MlaRopeQuantizeFp8, TakesFloat16AndInt32Positions) {
  run_case({.input = DType::kFloat16, .int64_positions = false});
}

TEST(MlaRopeQuantizeFp8, GivesE5M2) {
  run_case({.output = DType::kFloat8E5M2, .layout = RopeLayout::kHalfSplit});
}

TEST(MlaRopeQuantizeFp8, MultipliesQAndKByTheirScales) {
  run_case({.quant_scale_q = 3.7F, .quant_scale_kv = 0.11F});
}

TEST(MlaRopeQuantizeFp8, TakesRowsThatAreNotAligned) { run_case({.row_padding = 1}); }

TEST(MlaRopeQuantizeFp8, TakesSizesThatAreNotMultiplesOfEight) {
  run_case({.rope = 10, .nope = 21});
  run_case({.rope = 10, .nope = 21, .layout = RopeLayout::kHalfSplit});
}

TEST(MlaRopeQuantizeFp8, RotatesWithoutNopeParts) { run_case({.nope = 0}); }

TEST(MlaRopeQuantizeFp8, GivesNanForPositionsOutsideTheTable) {
  run_case({.positions = {kMaxPosition, -1, kMaxPosition - 1}});
  run_case({.layout = RopeLayout::kHalfSplit, .positions = {int64_t{1} << 40, 0, 1}});
}

TEST(MlaRopeQuantizeFp8, SaturatesAndKeepsNan) {
  run_case({.fill = {.largest = 900.0, .octaves = 4.0, .nonfinite = true}});
}

}  // namespace
}  // namespace slipstream::ops::mla_rope_quantize_fp8_test
