#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "ops/apply_rope/operator.h"
#include "ops/apply_rope/reference.h"
#include "slipstream/ops.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/random.h"

namespace slipstream::ops::apply_rope_test {
namespace {

using test::Mirror;

constexpr int64_t kMaxPosition = 40;
constexpr int64_t kSlots = 36;

struct Case {
  int64_t tokens = 3;
  int64_t q_heads = 4;
  int64_t kv_heads = 2;
  int64_t head_size = 64;
  int64_t rope = 64;
  DType dtype = DType::kBFloat16;
  RopeLayout layout = RopeLayout::kInterleaved;
  bool saves = false;
  bool int64_indices = true;
  int64_t row_padding = 0;  // elements after each token's heads; odd: nothing is aligned
  std::vector<int64_t> positions = {};  // empty: random
  std::vector<int64_t> slots = {};      // empty: distinct
};

// The arguments and their tensors on one side. Query and key are slices of one array, as a fused
// projection gives them.
struct Setup {
  explicit Setup(const Case& c)
      : c(c),
        row((c.q_heads + c.kv_heads) * c.head_size + c.row_padding),
        random(19),
        qk("query and key", random_floats(random, c.dtype, c.tokens * row)),
        value("value", random_floats(random, c.dtype, c.tokens * c.kv_heads * c.head_size)),
        k_buffer(Mirror::poisoned("k_buffer", kSlots * c.kv_heads * c.head_size * 2)),
        v_buffer(Mirror::poisoned("v_buffer", kSlots * c.kv_heads * c.head_size * 2)),
        table("cos_sin_cache",
              random_floats(random, DType::kFloat32, kMaxPosition * c.rope, {.largest = 1.0})),
        positions(indices("positions", c.positions, kMaxPosition)),
        cache_loc(indices("cache_loc", c.slots, kSlots)),
        dropped(Mirror::of("dropped", std::vector<int32_t>{2})) {}

  Mirror indices(const std::string& name, std::vector<int64_t> values, int64_t limit) {
    if (values.empty()) values = random.distinct(c.tokens, limit);
    if (c.int64_indices) return Mirror::of(name, values);
    return Mirror::of(name, std::vector<int32_t>(values.begin(), values.end()));
  }

  struct Tensors {
    Tensor positions, query, key, cos_sin_cache;
    std::optional<FusedSetKvBuffer> save;
  };
  Tensors tensors(test::Side side) {
    const DType index = c.int64_indices ? DType::kInt64 : DType::kInt32;
    const int64_t kv = c.kv_heads * c.head_size;
    Tensors result{side(positions, index, {c.tokens}, {}),
                   side(qk, c.dtype, {c.tokens, c.q_heads * c.head_size}, {0, {row, 1}}),
                   side(qk, c.dtype, {c.tokens, c.kv_heads, c.head_size},
                        {c.q_heads * c.head_size, {row, c.head_size, 1}}),
                   side(table, DType::kFloat32, {kMaxPosition, c.rope}, {}), std::nullopt};
    if (c.saves) {
      result.save = FusedSetKvBuffer{.value = side(value, c.dtype, {c.tokens, kv}, {}),
                                     .k_buffer = side(k_buffer, c.dtype, {kSlots, kv}, {}),
                                     .v_buffer = side(v_buffer, c.dtype, {kSlots, kv}, {}),
                                     .cache_loc = side(cache_loc, index, {c.tokens}, {}),
                                     .dropped = side(dropped, DType::kInt32, {1}, {})};
    }
    return result;
  }

  Case c;
  int64_t row;
  test::Random random;
  Mirror qk, value, k_buffer, v_buffer, table, positions, cache_loc, dropped;
};

void run_case(const Case& c) {
  Setup s(c);
  const Setup::Tensors host = s.tensors(test::on_host);
  apply_rope_reference(check_apply_rope(Arguments("apply_rope", MemoryPlace::kHost), host.positions,
                                        host.query, host.key, c.head_size, host.cos_sin_cache,
                                        c.layout, host.save));
  const Setup::Tensors device = s.tensors(test::on_device);
  test::expect_matches_host(
      {&s.qk, &s.value, &s.k_buffer, &s.v_buffer, &s.table, &s.positions, &s.cache_loc, &s.dropped},
      [&](const LaunchOptions& options) {
        apply_rope_with_cos_sin_cache_inplace(device.positions, device.query, device.key,
                                              c.head_size, device.cos_sin_cache, c.layout,
                                              device.save, options);
      });
}

TEST(ApplyRope, RotatesOneTokenOfSixteenHeadsAndOneKey) {
  run_case({.tokens = 1, .q_heads = 16, .kv_heads = 1});
}

TEST(ApplyRope, RotatesSeventeenTokens) { run_case({.tokens = 17, .kv_heads = 1}); }

TEST(ApplyRope, RotatesHalfSplitPairs) { run_case({.layout = RopeLayout::kHalfSplit}); }

TEST(ApplyRope, RotatesFloat16WithInt32Positions) {
  run_case({.dtype = DType::kFloat16, .int64_indices = false});
}

TEST(ApplyRope, LeavesDimensionsBeyondTheTableAlone) {
  run_case({.head_size = 128});
  run_case({.head_size = 128, .layout = RopeLayout::kHalfSplit});
}

TEST(ApplyRope, RotatesRowsThatAreNotAligned) { run_case({.row_padding = 1}); }

TEST(ApplyRope, RotatesSizesThatAreNotMultiplesOfEight) {
  run_case({.head_size = 14, .rope = 10});
  run_case({.head_size = 14, .rope = 10, .layout = RopeLayout::kHalfSplit, .saves = true});
}

TEST(ApplyRope, RotatesManyHeadsPerCta) {
  run_case({.tokens = 30, .q_heads = 20, .kv_heads = 4, .head_size = 16, .rope = 16});
}

TEST(ApplyRope, SavesRotatedKeysAndValues) { run_case({.saves = true}); }

TEST(ApplyRope, SavesKeysWithPassThroughDimensions) {
  run_case(
      {.head_size = 96, .layout = RopeLayout::kHalfSplit, .saves = true, .int64_indices = false});
}

TEST(ApplyRope, DropsAndCountsSlotsOutsideTheCache) {
  run_case({.saves = true, .slots = {kSlots, 0, -1}});
}

TEST(ApplyRope, GivesNanForPositionsOutsideTheTable) {
  run_case({.saves = true, .positions = {kMaxPosition, 0, -1}});
}

}  // namespace
}  // namespace slipstream::ops::apply_rope_test
