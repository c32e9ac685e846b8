#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "ops/set_mla_kv_buffer_fp8/operator.h"
#include "ops/set_mla_kv_buffer_fp8/reference.h"
#include "slipstream/ops.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/random.h"

namespace slipstream::ops::set_mla_kv_buffer_fp8_test {
namespace {

using test::Mirror;

struct Case {
  int64_t tokens = 3;
  int64_t nope = 512;
  int64_t rope = 64;
  DType input = DType::kBFloat16;
  DType output = DType::kFloat8E4M3;
  ScaleFormat scale_format = ScaleFormat::kFloat32;
  int64_t row_padding = 0;  // elements after each input row; odd: nothing is aligned
  test::FloatFill fill = {.largest = 600.0, .octaves = 20.0};
  std::vector<int64_t> loc = {};  // empty: distinct slots at random
};

constexpr int64_t kSlots = 24;

// The arguments of a cache writer and the four tensors on one side.
struct Setup {
  Setup(const Case& c, int64_t row_bytes)
      : c(c),
        row_bytes(row_bytes),
        random(13),
        kv_buffer(Mirror::poisoned("kv_buffer", kSlots * row_bytes)),
        loc(Mirror::of("loc", slots())),
        nope("cache_k_nope",
             random_floats(random, c.input, c.tokens * (c.nope + c.row_padding), c.fill)),
        rope("cache_k_rope",
             random_floats(random, c.input, c.tokens * (c.rope + c.row_padding), c.fill)),
        dropped(Mirror::of("dropped", std::vector<int32_t>{0})) {}

  // Distinct slots, one of them reserved and one outside where there are enough.
  std::vector<int64_t> slots() {
    if (!c.loc.empty()) return c.loc;
    std::vector<int64_t> slots = random.distinct(c.tokens, kSlots);
    for (auto& slot : slots) slot = slot == kSlots - 1 ? kSlots : slot;
    return slots;
  }

  struct Tensors {
    Tensor kv_buffer, loc, nope, rope;
    SlotOptions options;
  };
  Tensors tensors(test::Side side, DType cache) {
    return {side(kv_buffer, cache, {kSlots, 1, row_bytes}, {}),
            side(loc, DType::kInt64, {c.tokens}, {}),
            side(nope, c.input, {c.tokens, c.nope}, {0, {c.nope + c.row_padding, 1}}),
            side(rope, c.input, {c.tokens, c.rope}, {0, {c.rope + c.row_padding, 1}}),
            {0, side(dropped, DType::kInt32, {1}, {})}};
  }
  std::vector<Mirror*> mirrors() { return {&kv_buffer, &loc, &nope, &rope, &dropped}; }

  Case c;
  int64_t row_bytes;
  test::Random random;
  Mirror kv_buffer, loc, nope, rope, dropped;
};

// Returns how many slots were counted.
int32_t run_cast(const Case& c) {
  Setup setup(c, c.nope + c.rope);
  const Setup::Tensors host = setup.tensors(test::on_host, c.output);
  set_mla_kv_buffer_fp8_reference(
      check_set_mla_kv_buffer_fp8(Arguments("set_mla_kv_buffer_fp8", MemoryPlace::kHost),
                                  host.kv_buffer, host.loc, host.nope, host.rope, host.options));
  const Setup::Tensors device = setup.tensors(test::on_device, c.output);
  test::expect_matches_host(setup.mirrors(), [&](const LaunchOptions& options) {
    set_mla_kv_buffer_fp8(device.kv_buffer, device.loc, device.nope, device.rope, device.options,
                          options);
  });
  return *setup.dropped.host_as<int32_t>();
}

int32_t run_656(const Case& c) {
  Setup setup(c, Fp8Row656::kBytes);
  const Setup::Tensors host = setup.tensors(test::on_host, DType::kUInt8);
  set_mla_kv_buffer_fp8_656_reference(check_set_mla_kv_buffer_fp8_656(
      Arguments("set_mla_kv_buffer_fp8_656", MemoryPlace::kHost), host.kv_buffer, host.loc,
      host.nope, host.rope, c.scale_format, host.options));
  const Setup::Tensors device = setup.tensors(test::on_device, DType::kUInt8);
  test::expect_matches_host(setup.mirrors(), [&](const LaunchOptions& options) {
    set_mla_kv_buffer_fp8_656(device.kv_buffer, device.loc, device.nope, device.rope,
                              c.scale_format, device.options, options);
  });
  return *setup.dropped.host_as<int32_t>();
}

// Slot 0 is reserved. One is good, four are outside.
const std::vector<int64_t> kBadSlots{-1, 5, 0, kSlots, int64_t{1} << 40, -kSlots};

constexpr test::FloatFill kNonfinite{.largest = 600.0, .octaves = 20.0, .nonfinite = true};

TEST(SetMlaKvBufferFp8, CastsBFloat16ToE4M3) { run_cast({.tokens = 1}); }

TEST(SetMlaKvBufferFp8, CastsFloat16ToE4M3) { run_cast({.tokens = 17, .input = DType::kFloat16}); }

TEST(SetMlaKvBufferFp8, CastsBFloat16ToE5M2) { run_cast({.output = DType::kFloat8E5M2}); }

TEST(SetMlaKvBufferFp8, CastsFloat16ToE5M2) {
  run_cast({.input = DType::kFloat16, .output = DType::kFloat8E5M2});
}

TEST(SetMlaKvBufferFp8, SaturatesInfinitiesAndKeepsNan) {
  run_cast({.fill = kNonfinite});
  run_cast({.output = DType::kFloat8E5M2, .fill = kNonfinite});
}

TEST(SetMlaKvBufferFp8, CastsRowsThatAreNotAligned) { run_cast({.row_padding = 1}); }

TEST(SetMlaKvBufferFp8, CastsPartsThatAreNotMultiplesOfEight) {
  run_cast({.nope = 37, .rope = 11});
}

TEST(SetMlaKvBufferFp8, CastsRowsLongerThanACtaIsWide) {
  run_cast({.tokens = 2, .nope = 2304, .rope = 64});
}

TEST(SetMlaKvBufferFp8, DropsAndCountsSlotsOutsideTheCache) {
  EXPECT_EQ(run_cast({.tokens = 6, .loc = kBadSlots}), 4);
}

TEST(SetMlaKvBufferFp8Row656, DropsAndCountsSlotsOutsideTheCache) {
  EXPECT_EQ(run_656({.tokens = 6, .loc = kBadSlots}), 4);
}

TEST(SetMlaKvBufferFp8Row656, QuantisesBFloat16WithFloatScales) { run_656({.tokens = 1}); }

TEST(SetMlaKvBufferFp8Row656, QuantisesBFloat16WithPowerOfTwoScales) {
  run_656({.tokens = 17, .scale_format = ScaleFormat::kPowerOfTwo});
}

TEST(SetMlaKvBufferFp8Row656, QuantisesFloat16) { run_656({.input = DType::kFloat16}); }

TEST(SetMlaKvBufferFp8Row656, QuantisesRowsThatAreNotAligned) { run_656({.row_padding = 3}); }

TEST(SetMlaKvBufferFp8Row656, KeepsNanAndGivesAGroupWithAnInfinityAFiniteScale) {
  run_656({.fill = kNonfinite});
}

TEST(SetMlaKvBufferFp8Row656, QuantisesGroupsFarBelowTheFloor) {
  run_656({.fill = {.largest = 1e-12, .octaves = 60.0}});
}

TEST(SetMlaKvBufferFp8Row656, QuantisesTheLargestNumbers) {
  run_656({.fill = {.largest = 3e38, .octaves = 4.0}});
}

}  // namespace
}  // namespace slipstream::ops::set_mla_kv_buffer_fp8_test
