#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ops/set_mla_kv_buffer/operator.h"
#include "ops/set_mla_kv_buffer/reference.h"
#include "slipstream/ops.h"
#include "support/launch_modes.h"
#include "support/mirror.h"
#include "support/random.h"
#include "support/rejection.h"

namespace slipstream::ops::set_mla_kv_buffer_test {
namespace {

using test::Mirror;

struct Case {
  int64_t tokens = 3;
  int64_t nope = 512;
  int64_t rope = 64;
  DType dtype = DType::kBFloat16;
  bool int64_slots = true;
  int64_t slots = 40;
  int64_t width = 0;        // of the cache's rows; 0: as wide as the parts
  int64_t rope_offset = 0;  // elements from the start of a row to the rope part, in a wider array
  int64_t loc_stride = 1;
  std::vector<int64_t> loc = {};  // empty: distinct slots, none of them 0
  std::optional<int64_t> reserved_slot = 0;
};

std::vector<int64_t> slots_of(const Case& c, test::Random& random) {
  if (!c.loc.empty()) return c.loc;
  std::vector<int64_t> loc = random.distinct(c.tokens, c.slots - 1);
  for (auto& slot : loc) ++slot;
  return loc;
}

// The slots with `stride` - 1 rubbish values after each.
Mirror loc_mirror(const Case& c, const std::vector<int64_t>& loc) {
  std::vector<int64_t> wide(loc.size() * c.loc_stride, -77);
  for (size_t i = 0; i < loc.size(); ++i) wide[i * c.loc_stride] = loc[i];
  if (c.int64_slots) return Mirror::of("loc", wide);
  return Mirror::of("loc", std::vector<int32_t>(wide.begin(), wide.end()));
}

std::vector<uint8_t> random_bytes(test::Random& random, int64_t count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  for (auto& byte : bytes) byte = static_cast<uint8_t>(random.bits());
  return bytes;
}

void run_case(const Case& c) {
  test::Random random(11);
  const int64_t element = size_of(c.dtype);
  const int64_t width = c.width == 0 ? c.nope + c.rope : c.width;
  const int64_t rope_row = c.rope_offset + c.rope;
  const std::vector<int64_t> slots = slots_of(c, random);
  const auto tokens = static_cast<int64_t>(slots.size());
  Mirror kv_buffer = Mirror::poisoned("kv_buffer", c.slots * width * element);
  Mirror loc = loc_mirror(c, slots);
  Mirror nope("cache_k_nope", random_bytes(random, tokens * c.nope * element));
  Mirror rope("cache_k_rope", random_bytes(random, tokens * rope_row * element));
  Mirror dropped = Mirror::of("dropped", std::vector<int32_t>{5});

  struct Tensors {
    Tensor kv_buffer, loc, nope, rope, dropped;
  };
  const auto tensors = [&](test::Side side) {
    return Tensors{
        side(kv_buffer, c.dtype, {c.slots, width}, {}),
        side(loc, c.int64_slots ? DType::kInt64 : DType::kInt32, {tokens}, {0, {c.loc_stride}}),
        side(nope, c.dtype, {tokens, 1, c.nope}, {}),
        c.rope == 0 ? Tensor()
                    : side(rope, c.dtype, {tokens, c.rope}, {c.rope_offset, {rope_row, 1}}),
        side(dropped, DType::kInt32, {1}, {})};
  };
  const Tensors host = tensors(test::on_host);
  set_mla_kv_buffer_reference(
      check_set_mla_kv_buffer(Arguments("set_mla_kv_buffer", MemoryPlace::kHost), host.kv_buffer,
                              host.loc, host.nope, host.rope, {c.reserved_slot, host.dropped}));
  const Tensors device = tensors(test::on_device);
  test::expect_matches_host(
      {&kv_buffer, &loc, &nope, &rope, &dropped}, [&](const LaunchOptions& options) {
        set_mla_kv_buffer(device.kv_buffer, device.loc, device.nope, device.rope,
                          {c.reserved_slot, device.dropped}, options);
      });
}

TEST(SetMlaKvBuffer, CopiesOneToken) { run_case({.tokens = 1}); }

TEST(SetMlaKvBuffer, CopiesSeventeenTokensWithInt32Slots) {
  run_case({.tokens = 17, .int64_slots = false});
}

TEST(SetMlaKvBuffer, CopiesSeveralRowsPerCtaWhereTokensAreMany) {
  run_case({.tokens = 530, .nope = 16, .rope = 8, .slots = 600});
}

TEST(SetMlaKvBuffer, CopiesThePackedRowOf656Bytes) {
  run_case({.nope = 528, .rope = 128, .dtype = DType::kUInt8});
}

TEST(SetMlaKvBuffer, CopiesFloat16) { run_case({.dtype = DType::kFloat16}); }

TEST(SetMlaKvBuffer, CopiesARopeSliceOfAWiderArray) { run_case({.rope_offset = 512}); }

TEST(SetMlaKvBuffer, LeavesTheRestOfAWiderCacheRowAlone) { run_case({.width = 640}); }

TEST(SetMlaKvBuffer, ReadsSlotsAtAStride) { run_case({.loc_stride = 3}); }

TEST(SetMlaKvBuffer, CopiesWithoutARopePart) { run_case({.rope = 0}); }

TEST(SetMlaKvBuffer, CopiesEightBytesAtATime) { run_case({.nope = 12, .rope = 4}); }

TEST(SetMlaKvBuffer, CopiesFourBytesAtATime) { run_case({.nope = 14, .rope = 8}); }

TEST(SetMlaKvBuffer, CopiesTwoBytesAtATime) { run_case({.nope = 13, .rope = 8}); }

TEST(SetMlaKvBuffer, CopiesSingleBytes) {
  run_case({.nope = 13, .rope = 8, .dtype = DType::kUInt8});
}

TEST(SetMlaKvBuffer, CopiesRowsLongerThanACtaIsWide) {
  run_case({.tokens = 2, .nope = 4608, .rope = 64, .slots = 4});
}

TEST(SetMlaKvBuffer, DropsTheReservedSlotUncounted) { run_case({.loc = {3, 0, 4}}); }

TEST(SetMlaKvBuffer, WritesSlotZeroWhereNoSlotIsReserved) {
  run_case({.loc = {3, 0, 4}, .reserved_slot = std::nullopt});
}

TEST(SetMlaKvBuffer, DropsAndCountsSlotsOutsideTheCache) {
  run_case({.loc = {40, 39, -1, int64_t{1} << 40}});
}

TEST(SetMlaKvBuffer, DropsMinusOneUncountedWhereItIsReserved) {
  run_case({.loc = {-1, 2}, .reserved_slot = -1});
}

TEST(SetMlaKvBuffer, LaunchesNothingForNoTokens) {
  Mirror kv_buffer = Mirror::poisoned("kv_buffer", 64);
  const Tensor none(nullptr, DType::kUInt8, {0, 8});
  test::expect_matches_host({&kv_buffer}, [&](const LaunchOptions& options) {
    set_mla_kv_buffer(kv_buffer.device_tensor(DType::kUInt8, {4, 16}),
                      Tensor(nullptr, DType::kInt32, {0}), none, none, {}, options);
  });
}

TEST(SetMlaKvBuffer, RejectsHostMemory) {
  Mirror kv_buffer = Mirror::poisoned("kv_buffer", 64);
  Mirror rows = Mirror::poisoned("rows", 16);
  Mirror loc = Mirror::of("loc", std::vector<int32_t>{1});
  const pdl::Stream stream;
  test::expect_rejected(
      "set_mla_kv_buffer: cache_k_nope must be device memory, is host memory", [&] {
        set_mla_kv_buffer(
            kv_buffer.device_tensor(DType::kUInt8, {4, 16}), loc.device_tensor(DType::kInt32, {1}),
            rows.host_tensor(DType::kUInt8, {1, 16}), Tensor(), {}, {.stream = stream.get()});
      });
}

}  // namespace
}  // namespace slipstream::ops::set_mla_kv_buffer_test
