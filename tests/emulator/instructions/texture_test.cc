// Faults of textures and surfaces, and formats; programs/textures.cu has how they are sampled.
#include <gtest/gtest.h>

#include "emulator/machine/image.h"
#include "lane_program.h"

namespace slipstream::emulator {
namespace {

// A 4x2 image of `bytes`.
Image image_of(TestDevice& test, const std::vector<uint8_t>& bytes, uint32_t channels,
               ChannelKind kind) {
  Image image;
  image.base = test.upload(bytes, "image");
  image.channels = channels;
  image.channel_bytes = 1;
  image.kind = kind;
  image.size = {4, 2, 1};
  image.pitch = 4 * image.element_bytes();
  return image;
}

uint64_t handle_of(TestDevice& test, const Image& image) {
  const uint64_t handle = test.device.allocate(sizeof(image), MemoryKind::kModule, "object");
  test.device.copy(handle, reinterpret_cast<uint64_t>(&image), sizeof(image));
  return handle;
}

constexpr std::string_view kParameters = ".param .u64 handle, .param .u64 out";
constexpr std::string_view kRead = R"(
  ld.param.u64 %rd1, [handle];
  ld.param.u64 %rd2, [out];
  mov.f32 %f1, 0f3FC00000;
  tex.2d.v4.{}.f32 {{%r1, %r2, %r3, %r4}}, [%rd1, {{%f1, %f1}}];
  st.global.v4.u32 [%rd2], {{%r1, %r2, %r3, %r4}};
  ret;)";

std::vector<uint32_t> read_texel(Image image, std::string_view type, TestDevice& test) {
  const uint64_t out = test.upload(std::vector<uint32_t>(4));
  const auto fault = test.run(test.launch({handle_of(test, image), out}, {}, {1, 1, 1}));
  EXPECT_FALSE(fault) << type << fault->report();
  return test.download<uint32_t>(out, 4);
}

TEST(Texture, ExtendsIntegersAndLeavesMissingChannelsZero) {
  TestDevice test(module_of(kParameters, fmt::format(kRead, "s32")));
  std::vector<uint8_t> bytes(16);
  bytes[10] = 0xfe;  // the element at (1, 1)
  bytes[11] = 7;
  const auto texel = read_texel(image_of(test, bytes, 2, ChannelKind::kSigned), "s32", test);
  EXPECT_EQ(texel, (std::vector<uint32_t>{0xfffffffeU, 7, 0, 0}));
}

TEST(Texture, ReadsIntegersAsFractions) {
  TestDevice test(module_of(kParameters, fmt::format(kRead, "f32")));
  std::vector<uint8_t> bytes(8);
  bytes[5] = 0x80;
  Image image = image_of(test, bytes, 1, ChannelKind::kSigned);
  image.reads_normalized = true;
  EXPECT_EQ(read_texel(image, "f32", test)[0], bits(-1.0F)) << "-128 is no less than -127";
}

TEST(Texture, NeedsAHandle) {
  TestDevice test(module_of(kParameters, fmt::format(kRead, "f32")));
  const uint64_t other = test.upload(std::vector<uint64_t>(32));
  const auto fault = test.run(test.launch({other, other}, {}, {1, 1, 1}));
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->message.find("is not the handle of a texture object"), std::string::npos)
      << fault->message;
}

TEST(Texture, NeedsItsMemory) {
  TestDevice test(module_of(kParameters, fmt::format(kRead, "f32")));
  const Image image = image_of(test, std::vector<uint8_t>(8), 1, ChannelKind::kUnsigned);
  const uint64_t handle = handle_of(test, image);
  ASSERT_TRUE(test.device.free(image.base));
  const auto fault =
      test.run(test.launch({handle, test.upload(std::vector<uint32_t>(4))}, {}, {1, 1, 1}));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kUseAfterFree);
}

std::optional<Fault> store_outside(std::string_view mode, std::vector<uint8_t>& bytes) {
  TestDevice test(module_of(kParameters, fmt::format(R"(
    ld.param.u64 %rd1, [handle];
    mov.u32 %r1, 4;
    mov.u32 %r2, 1;
    mov.u16 %h1, 9;
    sust.b.2d.b8.{} [%rd1, {{%r1, %r2}}], {{%h1}};
    ret;)",
                                                     mode)));
  Image image = image_of(test, bytes, 1, ChannelKind::kUnsigned);
  image.is_surface = true;
  const auto fault = test.run(test.launch({handle_of(test, image), 0}, {}, {1, 1, 1}));
  bytes = test.download<uint8_t>(image.base, bytes.size());
  return fault;
}

TEST(Surface, DoesOutsideAsTold) {
  std::vector<uint8_t> bytes(8);
  EXPECT_FALSE(store_outside("zero", bytes));
  EXPECT_EQ(bytes, std::vector<uint8_t>(8)) << "nothing is stored";
  EXPECT_FALSE(store_outside("clamp", bytes));
  EXPECT_EQ(bytes[7], 9);
  const auto fault = store_outside("trap", bytes);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kOutOfBounds);
  EXPECT_NE(fault->message.find("at (4, 1, 0) of a surface of (4, 2, 1) elements"),
            std::string::npos)
      << fault->message;
}

}  // namespace
}  // namespace slipstream::emulator
