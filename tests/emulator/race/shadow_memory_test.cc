#include "emulator/race/shadow_memory.h"

#include <gtest/gtest.h>

namespace slipstream::emulator::race {
namespace {

constexpr uint64_t kBegin = 1ULL << 40;
constexpr uint64_t kSize = 1ULL << 24;

TEST(ShadowMemory, IsEmptyAtFirstAndAfterClearing) {
  ShadowMemory shadow(kBegin, kSize);
  *shadow.writes(kBegin + 8) = 5;
  *shadow.reads(kBegin + 8) = 6;
  *shadow.writes(kBegin + 100000) = 7;
  shadow.clear(kBegin, 4096 * 3);
  EXPECT_EQ(*shadow.writes(kBegin + 8), 0U);
  EXPECT_EQ(*shadow.reads(kBegin + 8), 0U);
  EXPECT_EQ(*shadow.writes(kBegin + 100000), 7U);
  shadow.clear();
  EXPECT_EQ(*shadow.writes(kBegin + 100000), 0U);
}

TEST(ShadowMemory, ClearsNothingBesideARange) {
  ShadowMemory shadow(kBegin, kSize);
  for (uint64_t i = 0; i < 64; ++i) *shadow.writes(kBegin + 4 * i) = 1;
  shadow.clear(kBegin + 16, 16);
  for (uint64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(*shadow.writes(kBegin + 4 * i), i >= 4 && i < 8 ? 0U : 1U) << i;
  }
}

TEST(ShadowMemory, KnowsTheNewestAccessToEachPage) {
  ShadowMemory shadow(kBegin, kSize);
  const auto replace = [&](uint64_t offset, uint64_t bytes, Cell Newest::*which, Cell now) {
    return shadow.replace_newest(kBegin + offset, bytes, which, now);
  };
  EXPECT_EQ(replace(100, 4, &Newest::write, 7).write, 0U);
  EXPECT_EQ(replace(8192, 4, &Newest::read, 9).write, 0U);
  const Newest all = replace(0, 3 * 4096, &Newest::read, 11);
  EXPECT_EQ(all.write, 7U);
  EXPECT_EQ(all.read, 9U);
  EXPECT_EQ(shadow.newest(kBegin + 4096).read, 11U);
  shadow.clear(kBegin + 4000, 4196);
  EXPECT_EQ(shadow.newest(kBegin).read, 11U);
  EXPECT_EQ(shadow.newest(kBegin + 4096).read, 0U);
}

TEST(ShadowMemory, SplitsACellIntoFourAndBack) {
  ShadowMemory shadow(kBegin, kSize);
  Cell& cell = *shadow.writes(kBegin);
  cell = cell_of(9, 3);
  ShadowMemory::Bytes& bytes = shadow.split(cell);
  EXPECT_TRUE(is_split(cell));
  EXPECT_EQ(bytes,
            (ShadowMemory::Bytes{cell_of(9, 3), cell_of(9, 3), cell_of(9, 3), cell_of(9, 3)}));
  bytes[1] = cell_of(10, 0);
  EXPECT_EQ(shadow.split(cell)[1], cell_of(10, 0));
  shadow.join(cell, 1);
  EXPECT_EQ(cell, 1U);
}

}  // namespace
}  // namespace slipstream::emulator::race
