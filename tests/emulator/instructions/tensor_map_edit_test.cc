// Tensor maps that a kernel changes.
#include <gtest/gtest.h>

#include <optional>

#include "emulator/machine/tensor_map.h"
#include "lane_program.h"

namespace slipstream::emulator {
namespace {

TensorMap some_map() {
  TensorMap map;
  map.address = 0x7f0000001000;
  map.type = TensorType::kU8;
  map.rank = 2;
  map.size = {64, 2};
  map.strides = {64};
  map.box = {16, 1};
  map.step = {1, 1};
  return map;
}

struct Edited {
  std::optional<TensorMap> map;
  std::optional<Fault> fault;
};

// A warp runs `body` with the map's 128 bytes at %rd1 in global memory and, unless they are changed
// there, at %r1 in shared memory.
Edited edit(const std::vector<std::byte>& bytes, std::string_view body) {
  TestDevice test(module_of(".param .u64 map", fmt::format(R"(
    .shared .align 128 .b8 copy[128];
    ld.param.u64 %rd1, [map];
    mov.u32 %r1, copy;
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd2, %r2, 4;
    add.s64 %rd2, %rd1, %rd2;
    ld.global.u32 %r3, [%rd2];
    mad.lo.u32 %r4, %r2, 4, %r1;
    st.shared.u32 [%r4], %r3;
    setp.eq.u32 %p1, %r2, 0;
    bar.sync 0;
{}
    ret;)",
                                                           body)));
  const uint64_t address = test.upload(bytes, "map");
  Edited edited;
  edited.fault = test.run(test.launch({address}));
  const auto after = test.download<std::byte>(address, kTensorMapBytes);
  edited.map = unpack(std::span<const std::byte, kTensorMapBytes>(after.data(), kTensorMapBytes));
  return edited;
}

Edited edit(std::string_view body) {
  const auto bytes = pack(some_map());
  return edit({bytes.begin(), bytes.end()}, body);
}

TEST(TensorMapEdit, ReplacesEveryField) {
  const Edited edited = edit(R"(
    mov.b64 %rd5, 0x7f0000002000;
    @%p1 tensormap.replace.tile.global_address.global.b1024.b64 [%rd1], %rd5;
    @%p1 tensormap.replace.tile.rank.global.b1024.b32 [%rd1], 2;
    @%p1 tensormap.replace.tile.elemtype.global.b1024.b32 [%rd1], 10;
    @%p1 tensormap.replace.tile.interleave_layout.global.b1024.b32 [%rd1], 1;
    @%p1 tensormap.replace.tile.swizzle_mode.global.b1024.b32 [%rd1], 3;
    @%p1 tensormap.replace.tile.fill_mode.global.b1024.b32 [%rd1], 1;
    @%p1 tensormap.replace.tile.box_dim.global.b1024.b32 [%rd1], 0, 8;
    @%p1 tensormap.replace.tile.box_dim.global.b1024.b32 [%rd1], 2, 5;
    @%p1 tensormap.replace.tile.global_dim.global.b1024.b32 [%rd1], 1, 7;
    @%p1 tensormap.replace.tile.global_stride.global.b1024.b64 [%rd1], 1, 576;
    @%p1 tensormap.replace.tile.element_stride.global.b1024.b32 [%rd1], 2, 3;)");
  ASSERT_FALSE(edited.fault) << edited.fault->report();
  TensorMap expected = some_map();
  expected.address = 0x7f0000002000;
  expected.rank = 3;
  expected.type = TensorType::kBf16;
  expected.interleave = TensorInterleave::k16Bytes;
  expected.swizzle = TensorSwizzle::k128Bytes;
  expected.fill = TensorFill::kNan;
  expected.box = {8, 1, 5};
  expected.size = {64, 7};
  expected.strides = {64, 576};
  expected.step = {1, 1, 3};
  EXPECT_EQ(edited.map, expected);
}

TEST(TensorMapEdit, HandsAMapFromSharedMemoryOver) {
  const Edited edited = edit(R"(
    @%p1 tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%r1], 1, 99;
    bar.warp.sync -1;
    tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%rd1], [%r1], 128;
    fence.proxy.tensormap::generic.acquire.gpu [%rd1], 128;)");
  ASSERT_FALSE(edited.fault) << edited.fault->report();
  TensorMap expected = some_map();
  expected.size[1] = 99;
  EXPECT_EQ(edited.map, expected);
}

TEST(TensorMapEdit, RefusesBytesThatAreNoMap) {
  const Edited edited = edit(std::vector<std::byte>(kTensorMapBytes),
                             "tensormap.replace.tile.rank.global.b1024.b32 [%rd1], 1;");
  ASSERT_TRUE(edited.fault);
  EXPECT_NE(edited.fault->message.find("never encoded"), std::string::npos)
      << edited.fault->message;
}

TEST(TensorMapEdit, NamesAFieldAndAValueThatItCannotHave) {
  const Edited edited = edit("tensormap.replace.tile.swizzle_mode.global.b1024.b32 [%rd1], 4;");
  ASSERT_TRUE(edited.fault);
  EXPECT_EQ(edited.fault->message, "tensormap.replace: .swizzle_mode must be below 4, it is 4");
}

}  // namespace
}  // namespace slipstream::emulator
