#include "code/fatbin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "code/ptx/module.h"

namespace slipstream::code {
namespace {

std::string path_of(const std::string& name) {
  return std::string(SLIPSTREAM_TEST_IMAGES) + "/" + name;
}

std::string file_bytes(const std::string& name) {
  std::ifstream file(path_of(name), std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Image> read_text(const std::string& bytes) {
  return read_images(std::as_bytes(std::span(bytes)), "test");
}

const Image& image_of(const std::vector<Image>& images, ImageKind kind) {
  const auto found = std::find_if(images.begin(), images.end(),
                                  [&](const Image& image) { return image.kind == kind; });
  EXPECT_NE(found, images.end());
  return *found;
}

class PackedImages : public testing::TestWithParam<const char*> {};

TEST_P(PackedImages, HoldTheSamePtxAndOneCubin) {
  const std::vector<Image> images = read_image_file(path_of(GetParam()));
  ASSERT_EQ(images.size(), 2U);
  const Image& ptx = image_of(images, ImageKind::kPtx);
  EXPECT_EQ(architecture_name(ptx), "compute_90a");
  EXPECT_EQ(ptx.version, 90U);
  EXPECT_TRUE(ptx.source_name.ends_with("kernels.cu")) << ptx.source_name;
  EXPECT_NE(slipstream::ptx::Module::parse(ptx.bytes, "kernels.ptx")->find_function("prints"),
            nullptr);
  const Image& cubin = image_of(images, ImageKind::kElf);
  EXPECT_EQ(architecture_name(cubin), "sm_90a");
  EXPECT_EQ(cubin.bytes.substr(1, 3), "ELF");
}

INSTANTIATE_TEST_SUITE_P(Containers, PackedImages,
                         testing::Values("kernels.zstd.fatbin", "kernels.lz4.fatbin",
                                         "kernels.plain.fatbin", "kernels.o"));

TEST(FatBinary, SaysHowItWasCompressedAndCompiled) {
  const auto zstd = read_image_file(path_of("kernels.zstd.fatbin"));
  EXPECT_TRUE(zstd[0].compressed);
  EXPECT_NE(image_of(zstd, ImageKind::kPtx).options.find("-O2"), std::string::npos);
  EXPECT_FALSE(read_image_file(path_of("kernels.plain.fatbin"))[0].compressed);
}

TEST(FatBinary, ReadsSeveralInARow) {
  const std::string one = file_bytes("kernels.zstd.fatbin");
  EXPECT_EQ(read_text(one + std::string(16, '\0') + one).size(), 4U);
}

TEST(FatBinary, IsVisitedOneImageAtATime) {
  const std::string one = file_bytes("kernels.zstd.fatbin");
  // The first two images are handed out before the damage is come to.
  const std::string damaged = one + one.substr(0, one.size() / 2);
  size_t visited = 0;
  EXPECT_THROW(visit_images(std::as_bytes(std::span(damaged)), "test",
                            [&](const Image& image) {
                              EXPECT_FALSE(image.bytes.empty());
                              ++visited;
                            }),
               FormatError);
  EXPECT_EQ(visited, 2U);
}

TEST(FatBinary, IsNotUnpackedToMoreThanAHundredfold) {
  constexpr size_t kFirstEntry = 16;
  constexpr size_t kDecompressedBytes = 56;
  constexpr uint64_t kTwoGigabytes = uint64_t{2} << 30;
  std::string bomb = file_bytes("kernels.zstd.fatbin");
  std::memcpy(bomb.data() + kFirstEntry + kDecompressedBytes, &kTwoGigabytes,
              sizeof(kTwoGigabytes));
  try {
    (void)read_text(bomb);
    ADD_FAILURE() << "it was unpacked";
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("must decompress to at most"), std::string::npos)
        << error.what();
  }
}

TEST(FatBinary, ReadsWhatAProgramRegisters) {
  const std::string bytes = file_bytes("kernels.plain.fatbin");
  struct {
    uint32_t magic = 0x466243b1;
    uint32_t version = 1;
    const void* data = nullptr;
    const void* file = nullptr;
  } wrapper;
  wrapper.data = bytes.data();
  ASSERT_EQ(read_registered_images(&wrapper).size(), 1U);
  EXPECT_EQ(read_registered_images(&wrapper)[0].size(), 2U);
  const void* objects[] = {bytes.data(), bytes.data(), bytes.data(), nullptr};
  wrapper.version = 2;
  wrapper.file = &objects;
  EXPECT_EQ(read_registered_images(&wrapper).size(), 3U)
      << "the objects of a program with relocatable device code";
  wrapper.magic = 1;
  EXPECT_THROW(read_registered_images(&wrapper), FormatError);
}

TEST(FatBinary, IsKnownInMemoryByItsFirstBytes) {
  const std::string packed = file_bytes("kernels.zstd.fatbin");
  const auto images = read_images_at(packed.data());
  ASSERT_EQ(images.size(), 2U);
  struct {
    uint32_t magic = 0x466243b1;
    uint32_t version = 1;
    const void* data = nullptr;
    const void* file = nullptr;
  } wrapper;
  wrapper.data = packed.data();
  EXPECT_EQ(read_images_at(&wrapper).size(), 2U);
  // A cubin says by its headers where it ends; what follows does not matter.
  const std::string cubin = image_of(images, ImageKind::kElf).bytes;
  const auto alone = read_images_at((cubin + "more").data());
  ASSERT_EQ(alone.size(), 1U);
  EXPECT_EQ(architecture_name(alone[0]).substr(0, 5), "sm_90");
  EXPECT_EQ(alone[0].bytes, cubin);
  const std::string text = image_of(images, ImageKind::kPtx).bytes;
  EXPECT_EQ(read_images_at(text.c_str()).at(0).bytes, text);
  EXPECT_THROW(read_images_at("?"), FormatError);
}

TEST(FatBinary, RejectsEveryTruncation) {
  const std::string bytes = file_bytes("kernels.lz4.fatbin");
  for (size_t size = 8; size < bytes.size(); size += 97) {
    EXPECT_THROW(read_text(bytes.substr(0, size)), FormatError) << size;
  }
}

TEST(FatBinary, SaysWhereASizeIsWrong) {
  std::string bytes = file_bytes("kernels.plain.fatbin");
  bytes[16 + 8 + 5] = 1;  // the first entry's payload becomes a terabyte
  try {
    read_text(bytes);
    FAIL() << "read without an error";
  } catch (const FormatError& error) {
    EXPECT_GT(error.offset(), 16U);
    EXPECT_NE(std::string(error.what()).find("must lie within"), std::string::npos) << error.what();
  }
}

TEST(Images, TellFilesApart) {
  EXPECT_EQ(read_image_file(path_of("kernels.sm_90a.ptx"))[0].kind, ImageKind::kPtx);
  EXPECT_THROW(read_text("neither one nor the other"), FormatError);
  EXPECT_THROW(read_image_file(path_of("no such file")), FormatError);
}

}  // namespace
}  // namespace slipstream::code
