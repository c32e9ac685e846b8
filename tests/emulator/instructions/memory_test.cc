#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "lane_program.h"

namespace slipstream::emulator {
namespace {

TEST(Memory, RoundTripsVectorsThroughSharedMemory) {
  const auto lanes = run_lanes(R"(
    .shared .align 16 .b8 tile[512];
    mov.u32 %r1, tile;
    shl.b32 %r2, %r0, 4;
    add.u32 %r1, %r1, %r2;
    add.u32 %r3, %r0, 100; add.u32 %r4, %r0, 200; add.u32 %r5, %r0, 300; add.u32 %r6, %r0, 400;
    st.shared.v4.u32 [%r1], {%r3, %r4, %r5, %r6};
    bar.sync 0;
    ld.shared.v2.u32 {%r7, %r8}, [%r1+8];
    mov.b64 %rd0, {%r7, %r8};
  )");
  for (uint64_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(lanes[lane], (300 + lane) | ((400 + lane) << 32U));
  }
}

// Vectors of a row are taken apart and put together: what is loaded as vectors and stored by elements, or the other way, is
// where it was.
TEST(Memory, MovesRowsOfVectorsOfEveryWidth) {
  struct Form {
    uint32_t bytes;  // of an element
    uint32_t count;
    std::string prefix;  // of its registers
  };
  for (const Form& form :
       {Form{2, 2, "%h"}, {2, 4, "%h"}, {4, 2, "%r"}, {4, 4, "%r"}, {8, 2, "%rd"}, {8, 4, "%rd"}}) {
    std::string list;
    for (uint32_t i = 0; i < form.count; ++i) {
      list += fmt::format("{}{}{}", i == 0 ? "" : ", ", form.prefix, 10 + i);
    }
    const auto by_vector = [&](const std::string& move, const std::string& base) {
      const std::string place = fmt::format("[{}]", base);
      const std::string vector = fmt::format("{{{}}}", list);
      const bool is_load = move == "ld";
      return fmt::format("{}.global.v{}.b{} {}, {};", move, form.count, 8 * form.bytes,
                         is_load ? vector : place, is_load ? place : vector);
    };
    const auto by_elements = [&](const std::string& move, const std::string& base) {
      std::string text;
      for (uint32_t i = 0; i < form.count; ++i) {
        const std::string place = fmt::format("[{}+{}]", base, i * form.bytes);
        const std::string element = fmt::format("{}{}", form.prefix, 10 + i);
        const bool is_load = move == "ld";
        text += fmt::format("{}.global.b{} {}, {};", move, 8 * form.bytes,
                            is_load ? element : place, is_load ? place : element);
      }
      return text;
    };
    TestDevice test(module_of(
        ".param .u64 from, .param .u64 to, .param .u64 again",
        fmt::format(R"(
    ld.param.u64 %rd1, [from]; ld.param.u64 %rd2, [to]; ld.param.u64 %rd3, [again];
    mov.u32 %r0, %laneid;
    mul.wide.u32 %rd0, %r0, {};
    add.u64 %rd1, %rd1, %rd0; add.u64 %rd2, %rd2, %rd0; add.u64 %rd3, %rd3, %rd0;
    {} {} {} {}
    ret;)",
                    form.bytes * form.count, by_vector("ld", "%rd1"), by_elements("st", "%rd2"),
                    by_elements("ld", "%rd1"), by_vector("st", "%rd3"))));
    std::vector<uint8_t> values(size_t{32} * form.bytes * form.count);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(i * 7 + i / 256);
    const uint64_t from = test.upload(values);
    const uint64_t to = test.upload(std::vector<uint8_t>(values.size()));
    const uint64_t again = test.upload(std::vector<uint8_t>(values.size()));
    const auto fault = test.run(test.launch({from, to, again}));
    ASSERT_FALSE(fault.has_value()) << fault->report();
    EXPECT_EQ(test.download<uint8_t>(to, values.size()), values) << list;
    EXPECT_EQ(test.download<uint8_t>(again, values.size()), values) << list;
  }
}
TEST(Memory, ReadsPermutedSharedMemory) {
  const auto lanes = run_lanes(R"(
    .shared .align 4 .b8 tile[128];
    mov.u32 %r1, tile;
    shl.b32 %r2, %r0, 2;
    add.u32 %r3, %r1, %r2;
    st.shared.u32 [%r3], %r0;
    bar.sync 0;
    xor.b32 %r2, %r2, 124;
    add.u32 %r3, %r1, %r2;
    ld.shared.u32 %r4, [%r3];
    cvt.u64.u32 %rd0, %r4;
  )");
  for (uint64_t lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(lanes[lane], 31 - lane);
  }
}

// Where the lanes' addresses are, in elements from the first: what loads and stores have faster ways for.
struct Arrangement {
  const char* name;
  std::vector<uint64_t> places;     // by lane
  std::vector<uint64_t> executing;  // by lane
};
std::vector<Arrangement> arrangements() {
  std::vector<Arrangement> all = {{"row", {}, {}},           {"same", {}, {}},
                                  {"reversed", {}, {}},      {"spread", {}, {}},
                                  {"part of a row", {}, {}}, {"part of one place", {}, {}}};
  for (uint64_t lane = 0; lane < 32; ++lane) {
    const std::array<uint64_t, 6> places = {lane, 5, 31 - lane, lane * 7 % 32, lane, 9};
    for (size_t i = 0; i < all.size(); ++i) {
      all[i].places.push_back(places[i]);
      all[i].executing.push_back(i < 4 || lane % 3 == 1 ? 1 : 0);
    }
  }
  return all;
}
// %rd20: 256 bytes in that space, which hold the values of %rd12. %p1: whether the lane executes. %rd10: its place.
std::string places_in(const std::string& space) {
  const std::string prepare = space == "shared" ? R"(
    .shared .align 16 .b8 tile[256];
    mov.u64 %rd20, tile;
    add.u64 %rd21, %rd20, %rd3;
    st.shared.u64 [%rd21], %rd12;
    bar.sync 0;
)"
                                                : R"(
    sub.u64 %rd20, %rd1, %rd3;
    add.u64 %rd20, %rd20, 512;
)";
  return prepare + "setp.ne.u64 %p1, %rd11, 0;";
}
// How instructions may say where that is.
struct PlaceSpelling {
  std::string space;     // that the bytes are in
  std::string modifier;  // may say so
  std::string address;   // %rd22, or its low half
};
std::vector<PlaceSpelling> place_spellings() {
  return {{"global", ".global", "%rd22"},
          {"global", "", "%rd22"},
          {"shared", ".shared", "%rd22"},
          {"shared", ".shared", "%r22"}};
}
// %rd22 and %r22: the lane's place, so many bytes large.
std::string address_of(uint32_t bytes) {
  return fmt::format("mad.lo.u64 %rd22, %rd10, {}, %rd20; cvt.u32.u64 %r22, %rd22;", bytes);
}
std::vector<uint64_t> distinct_values() {
  std::vector<uint64_t> values;
  for (uint64_t i = 0; i < 32; ++i) values.push_back((i + 1) * 0x0123456789abcdefULL);
  return values;
}

TEST(Memory, LoadsWhateverTheArrangementOfTheLanes) {
  const std::vector<uint64_t> values = distinct_values();
  for (const auto& [space, modifier, address] : place_spellings()) {
    for (const uint32_t bytes : {1U, 2U, 4U, 8U}) {
      for (const Arrangement& arrangement : arrangements()) {
        const auto lanes =
            run_lanes(places_in(space) + address_of(bytes) +
                          fmt::format("@%p1 ld{}.u{} %rd0, [{}];", modifier, 8 * bytes, address),
                      {arrangement.places, arrangement.executing, values});
        for (size_t lane = 0; lane < 32; ++lane) {
          uint64_t expected = 0;
          const auto* const from = reinterpret_cast<const std::byte*>(values.data());
          if (arrangement.executing[lane] != 0) {
            std::memcpy(&expected, from + arrangement.places[lane] * bytes, bytes);
          }
          EXPECT_EQ(lanes[lane], expected) << arrangement.name << ", " << space << ", by "
                                           << address << ", " << bytes << " bytes, lane " << lane;
        }
      }
    }
  }
}

// Of several lanes that store to one place the last wins.
TEST(Memory, StoresWhateverTheArrangementOfTheLanes) {
  const std::vector<uint64_t> values = distinct_values();
  for (const auto& [space, modifier, address] : place_spellings()) {
    for (const uint32_t bytes : {1U, 2U, 4U, 8U}) {
      for (const Arrangement& arrangement : arrangements()) {
        const auto lanes = run_lanes(places_in(space) + address_of(bytes) +
                                         fmt::format(R"(
    mul.lo.u64 %rd23, %rd12, 3;
    @%p1 st{}.u{} [{}], %rd23;
    bar.sync 0;
    add.u64 %rd21, %rd20, %rd3;
    ld.{}.u64 %rd0, [%rd21];
)",
                                                     modifier, 8 * bytes, address, space),
                                     {arrangement.places, arrangement.executing, values});
        std::vector<uint64_t> expected = values;
        auto* const to = reinterpret_cast<std::byte*>(expected.data());
        for (size_t lane = 0; lane < 32; ++lane) {
          const uint64_t stored = values[lane] * 3;
          if (arrangement.executing[lane] != 0) {
            std::memcpy(to + arrangement.places[lane] * bytes, &stored, bytes);
          }
        }
        EXPECT_EQ(std::vector<uint64_t>(lanes.begin(), lanes.end()), expected)
            << arrangement.name << ", " << space << ", by " << address << ", " << bytes << " bytes";
      }
    }
  }
}

TEST(Memory, TellsOfUnwrittenBytesWhateverTheArrangementOfTheLanes) {
  Settings settings;
  settings.uninitialized_reads = UninitializedReads::kFault;
  for (const std::string place : {"%r0", "5", "31 - %r0"}) {
    for (const bool all_written : {false, true}) {
      const std::string index =
          place == "31 - %r0" ? "sub.u32 %r1, 31, %r0;" : "mov.u32 %r1, " + place + ";";
      TestDevice on(module_of("", "mov.u32 %r0, %laneid;" + index +
                                      fmt::format(R"(
    .shared .align 16 .b8 tile[128];
    mov.u32 %r2, tile;
    mad.lo.u32 %r3, %r0, 4, %r2;
    setp.ne.u32 %p1, %r0, {};
    @%p1 st.shared.u32 [%r3], %r0;
    bar.sync 0;
    mad.lo.u32 %r4, %r1, 4, %r2;
    ld.shared.u32 %r5, [%r4];
    ret;
)",
                                                  all_written ? 32 : 5)),
                    settings);
      EXPECT_EQ(on.run(on.launch({})).has_value(), !all_written) << place;
    }
  }
}

TEST(Memory, ExtendsNarrowLoadsToTheRegister) {
  const std::string prepare = R"(
    .shared .align 8 .b8 cell[8];
    st.shared.u64 [cell], %rd10;
    bar.sync 0;
  )";
  EXPECT_EQ(run32(prepare + "ld.shared.s8 %r20, [cell];", {0x80}), 0xffffff80U);
  EXPECT_EQ(run32(prepare + "ld.shared.u8 %r20, [cell+1];", {0xff00}), 0xffU);
  EXPECT_EQ(run_one(prepare + "ld.shared.s16 %rd0, [cell];", {0x8000}), 0xffffffffffff8000ULL);
  EXPECT_EQ(run_one(prepare + "ld.shared.u32 %rd0, [cell];", {0xffffffff12345678ULL}), 0x12345678U);
}
TEST(Memory, StoresTheLowPartOfAWiderRegister) {
  EXPECT_EQ(run_one(R"(
    .local .align 8 .b8 cell[8];
    mov.u64 %rd20, -1;
    st.local.u64 [cell], %rd20;
    st.local.u16 [cell+2], %r10;
    ld.local.u64 %rd0, [cell];
  )",
                    {0xabcd1234U}),
            0xffffffff1234ffffULL);
}
TEST(Memory, KeepsLocalMemoryPerThread) {
  const auto lanes = run_lanes(R"(
    .local .align 4 .b8 cell[4];
    mov.u64 %rd20, cell;
    cvta.local.u64 %rd21, %rd20;
    st.u32 [%rd21], %r0;
    ld.local.u32 %r1, [%rd20];
    cvt.u64.u32 %rd0, %r1;
  )");
  EXPECT_EQ(lanes[0], 0U);
  EXPECT_EQ(lanes[31], 31U);
}
TEST(Memory, ResolvesGenericAddressesOfEachSpace) {
  EXPECT_EQ(run32(R"(
    .shared .align 4 .b8 cell[4];
    mov.u32 %r1, cell;
    cvt.u64.u32 %rd20, %r1;
    cvta.shared.u64 %rd21, %rd20;
    st.u32 [%rd21], 77;
    bar.sync 0;
    cvta.to.shared.u64 %rd22, %rd21;
    cvt.u32.u64 %r2, %rd22;
    ld.shared.u32 %r20, [%r2];
    isspacep.shared %p1, %rd21;
    @!%p1 mov.u32 %r20, 0;
  )"),
            77U);
}
TEST(Memory, ReadsParametersThroughTheirGenericAddress) {
  TestDevice test(module_of(".param .align 8 .b8 block[24]", R"(
    mov.b64 %rd1, block;
    cvta.param.u64 %rd2, %rd1;
    ld.u64 %rd3, [%rd2];
    ld.u64 %rd4, [%rd2+16];
    ld.param.u64 %rd5, [block+8];
    add.u64 %rd4, %rd4, %rd5;
    st.global.u64 [%rd3], %rd4;
    ret;)"));
  const uint64_t out = test.upload(std::vector<uint64_t>(1));
  ASSERT_FALSE(test.run(test.launch({out, 40, 2})));
  EXPECT_EQ(test.download<uint64_t>(out, 1)[0], 42U);
}
TEST(Memory, InitializesModuleVariables) {
  TestDevice test(R"(.version 9.0
.target sm_90a
.address_size 64
.global .align 4 .u32 counter = 5;
.const .align 4 .b32 table[2] = {7, 9};
.global .align 8 .u64 pointer = generic(counter);
.visible .entry kernel(.param .u64 out) {
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [out];
  ld.global.u64 %rd2, [pointer];
  ld.u32 %r1, [%rd2];
  ld.const.u32 %r2, [table+4];
  add.u32 %r1, %r1, %r2;
  st.global.u32 [%rd1], %r1;
  st.global.u32 [counter], %r1;
  ret;
})");
  const uint64_t out = test.upload(std::vector<uint32_t>(1));
  ASSERT_FALSE(test.run(test.launch({out}, {}, {1, 1, 1})));
  EXPECT_EQ(test.download<uint32_t>(out, 1)[0], 14U);
  const auto symbol = test.device.find_symbol(test.module(), "counter");
  ASSERT_TRUE(symbol);
  EXPECT_EQ(test.download<uint32_t>(symbol->address, 1)[0], 14U);
}
TEST(Atomic, ActsInLaneOrder) {
  const auto lanes = run_lanes(R"(
    .shared .align 4 .b8 cell[4];
    st.shared.u32 [cell], 0;
    bar.sync 0;
    atom.shared.add.u32 %r1, [cell], 2;
    cvt.u64.u32 %rd0, %r1;
  )");
  EXPECT_EQ(lanes[0], 0U);
  EXPECT_EQ(lanes[31], 62U);
}
TEST(Atomic, WrapsIncrements) {
  const auto lanes = run_lanes(R"(
    .shared .align 4 .b8 cell[4];
    st.shared.u32 [cell], 0;
    bar.sync 0;
    atom.shared.inc.u32 %r1, [cell], 3;
    cvt.u64.u32 %rd0, %r1;
  )");
  EXPECT_EQ(lanes[3], 3U);
  EXPECT_EQ(lanes[4], 0U);
}
TEST(Atomic, SwapsOnlyIfEqual) {
  const auto lanes = run_lanes(R"(
    .shared .align 4 .b8 cell[4];
    st.shared.u32 [cell], 5;
    bar.sync 0;
    add.u32 %r2, %r0, 5;
    add.u32 %r3, %r0, 6;
    atom.shared.cas.b32 %r1, [cell], %r2, %r3;
    bar.sync 0;
    ld.shared.u32 %r1, [cell];
    cvt.u64.u32 %rd0, %r1;
  )");
  EXPECT_EQ(lanes[0], 37U);
}
TEST(Atomic, AddsPairsOfHalves) {
  EXPECT_EQ(run_lanes(R"(
    .shared .align 4 .b8 cell[4];
    st.shared.u32 [cell], 0;
    bar.sync 0;
    mov.b32 %r2, 0x3f803f80;
    cvta.to.shared.u64 %rd20, 0;
    red.shared.add.noftz.bf16x2 [cell], %r2;
    bar.sync 0;
    ld.shared.u32 %r1, [cell];
    cvt.u64.u32 %rd0, %r1;
  )")[0],
            0x42004200U);
}

// cuda::atomic_ref<uint16_t> loads and swaps the word around its bytes.
TEST(Atomic, OfLessThanAWordMayReachPastTheEndOfAnAllocation) {
  TestDevice test(module_of(".param .u64 buffer", R"(
    .shared .align 4 .b8 tile[6];
    ld.param.u64 %rd1, [buffer];
    ld.relaxed.gpu.b32 %r1, [%rd1+4];
    add.u32 %r2, %r1, 1;
    atom.cas.acquire.gpu.b32 %r3, [%rd1+4], %r1, %r2;
    mov.u32 %r4, tile;
    mov.u16 %h1, 7;
    st.shared.u16 [%r4+4], %h1;
    ld.relaxed.cta.shared.b32 %r5, [%r4+4];
    atom.cas.acquire.cta.shared.b32 %r6, [%r4+4], %r5, %r2;
    ret;)"));
  const uint64_t buffer = test.upload(std::vector<uint16_t>{1, 2, 3});
  const auto fault = test.run(test.launch({buffer}, {}, {1, 1, 1}));
  EXPECT_FALSE(fault) << fault->report();
  EXPECT_EQ(test.download<uint16_t>(buffer, 3)[2], 4);
}
TEST(Atomic, StartsInsideTheAllocation) {
  TestDevice test(module_of(".param .u64 buffer", R"(
    ld.param.u64 %rd1, [buffer];
    atom.global.add.u32 %r3, [%rd1+8], 1;
    ret;)"));
  const auto fault = test.run(test.launch({test.upload(std::vector<uint16_t>{1, 2, 3})}));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kOutOfBounds);
}
TEST(Atomic, WorksOnLocalMemory) {
  const auto result = run_lanes(R"(
    .local .align 8 .b8 counter[8];
    mov.u64 %rd20, counter;
    cvta.local.u64 %rd21, %rd20;
    st.local.u32 [%rd20], %r0;
    atom.add.acquire.sys.s32 %r1, [%rd21], 5;
    ld.acquire.sys.b32 %r2, [%rd21];
    add.u32 %r3, %r1, %r2;
    cvt.u64.u32 %rd0, %r3;
  )");
  EXPECT_EQ(result[0], 5U);
  EXPECT_EQ(result[31], 31U + 36U);
}

}  // namespace
}  // namespace slipstream::emulator
