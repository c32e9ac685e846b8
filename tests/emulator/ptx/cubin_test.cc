#include "emulator/ptx/cubin.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "emulator/ptx/fatbin.h"

namespace slipstream::emulator::ptx {
namespace {

std::string cubin_bytes() {
  for (Image& image :
       read_image_file(std::string(SLIPSTREAM_TEST_IMAGES) + "/kernels.plain.fatbin")) {
    if (image.kind == ImageKind::kElf) {
      return std::move(image.bytes);
    }
  }
  ADD_FAILURE() << "no cubin";
  return {};
}

Cubin read_bytes(const std::string& bytes) {
  return read_cubin(std::as_bytes(std::span(bytes)), "test.cubin");
}

TEST(CubinReader, ListsKernelsAndFunctions) {
  const Cubin cubin = read_bytes(cubin_bytes());
  EXPECT_EQ(cubin.architecture, 90U);
  ASSERT_NE(cubin.find("prints"), nullptr);
  EXPECT_TRUE(cubin.find("prints")->is_entry);
  const auto device =
      std::find_if(cubin.functions.begin(), cubin.functions.end(),
                   [](const auto& one) { return one.name.find("triple") != std::string::npos; });
  ASSERT_NE(device, cubin.functions.end());
  EXPECT_FALSE(device->is_entry);
}

constexpr uint32_t kAcqBulk = 0x82e;  // griddepcontrol.wait

TEST(CubinReader, ShowsTheWaitOfTheOneKernelThatHasIt) {
  const Cubin cubin = read_bytes(cubin_bytes());
  for (const SassFunction& function : cubin.functions) {
    const auto waits = std::count_if(function.instructions.begin(), function.instructions.end(),
                                     [](const auto& one) { return one.opcode() == kAcqBulk; });
    EXPECT_EQ(waits, function.name == "waits_for_its_predecessor" ? 1 : 0) << function.name;
  }
}

TEST(CubinReader, RejectsOtherElfFiles) {
  std::string bytes = cubin_bytes();
  bytes[18] = 62;  // x86-64
  EXPECT_THROW(read_bytes(bytes), FormatError);
}

TEST(CubinReader, RejectsEveryTruncation) {
  const std::string bytes = cubin_bytes();
  // What lies behind the section table is not needed.
  for (size_t size = 0; size < bytes.size() / 2; size += 61) {
    EXPECT_THROW(read_bytes(bytes.substr(0, size)), FormatError) << size;
  }
}

}  // namespace
}  // namespace slipstream::emulator::ptx
