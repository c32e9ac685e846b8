#include "emulator/ptx/cubin.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

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

// libnccl has such sections.
TEST(CubinReader, NeedsNoBytesForSharedMemoryOfDebugInformation) {
  std::string bytes = cubin_bytes();
  const size_t functions = read_bytes(bytes).functions.size();
  Elf64_Ehdr file;
  std::memcpy(&file, bytes.data(), sizeof(file));
  bool found = false;
  for (uint32_t i = 0; i < file.e_shnum && !found; ++i) {
    char* const at = bytes.data() + file.e_shoff + i * sizeof(Elf64_Shdr);
    Elf64_Shdr section;
    std::memcpy(&section, at, sizeof(section));
    found = section.sh_type == SHT_PROGBITS && (section.sh_flags & SHF_ALLOC) == 0;
    if (!found) continue;
    section.sh_size = 1 << 20;
    std::memcpy(at, &section, sizeof(section));
    EXPECT_THROW(read_bytes(bytes), FormatError);
    section.sh_type = SHT_LOPROC + 10;
    std::memcpy(at, &section, sizeof(section));
    EXPECT_EQ(read_bytes(bytes).functions.size(), functions);
  }
  EXPECT_TRUE(found);
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
