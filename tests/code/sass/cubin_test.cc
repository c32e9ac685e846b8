#include "code/sass/cubin.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "code/fatbin.h"

namespace slipstream::sass {
namespace {

using code::FormatError;
using code::Image;
using code::ImageKind;
using code::read_image_file;

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

// Views `bytes`.
Cubin read_bytes(const std::string& bytes) {
  return read_cubin(std::as_bytes(std::span(bytes)), "test.cubin");
}

TEST(CubinReader, ListsKernelsAndNoOtherFunctions) {
  const std::string bytes = cubin_bytes();
  const Cubin cubin = read_bytes(bytes);
  EXPECT_EQ(cubin.architecture, 90U);
  const auto has = [&](std::string_view name) {
    return std::any_of(cubin.kernels.begin(), cubin.kernels.end(), [&](const Kernel& kernel) {
      return kernel.name.find(name) != std::string::npos;
    });
  };
  EXPECT_TRUE(has("prints"));
  EXPECT_FALSE(has("triple"));
}

TEST(CubinReader, KnowsTheRegistersOfEveryKernel) {
  const std::string bytes = cubin_bytes();
  for (const Kernel& kernel : read_bytes(bytes).kernels) {
    EXPECT_GT(kernel.registers, 0U) << kernel.name;
    EXPECT_LT(kernel.registers, 256U) << kernel.name;
  }
}

TEST(CubinReader, ShowsTheWaitOfTheOneKernelThatHasIt) {
  const std::string bytes = cubin_bytes();
  const Cubin cubin = read_bytes(bytes);
  for (const Kernel& kernel : cubin.kernels) {
    int waits = 0;
    for (size_t i = 0; i < kernel.word_count(); ++i) {
      waits += opcode_of(kernel.word(i)).meaning == Meaning::kDependencyWait ? 1 : 0;
    }
    EXPECT_EQ(waits, kernel.name == "waits_for_its_predecessor" ? 1 : 0) << kernel.name;
  }
}

// libnccl has such sections.
TEST(CubinReader, NeedsNoBytesForSharedMemoryOfDebugInformation) {
  std::string bytes = cubin_bytes();
  const size_t kernels = read_bytes(bytes).kernels.size();
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
    EXPECT_EQ(read_bytes(bytes).kernels.size(), kernels);
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
  // What follows the section table is not needed.
  for (size_t size = 0; size < bytes.size() / 2; size += 61) {
    EXPECT_THROW(read_bytes(bytes.substr(0, size)), FormatError) << size;
  }
}

}  // namespace
}  // namespace slipstream::sass
