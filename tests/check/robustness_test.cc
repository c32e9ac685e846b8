// Damaged files give a problem in the report, never a crash: every image of the corpus with bytes
// changed, cut short, or both. The damage is the same in every run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "check/checker.h"
#include "check/report/text_report.h"
#include "code/fatbin.h"

namespace slipstream::check::robustness_test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// PTX of many kernels as texts of one kernel each, with what is in front of the first: what cannot be read ends a text.
std::vector<std::string> kernels_of(const std::string& ptx) {
  constexpr std::string_view kMarker = "\n\t// .globl";
  std::vector<std::string> result;
  const size_t first = ptx.find(kMarker);
  for (size_t at = first; at != std::string::npos;) {
    const size_t next = ptx.find(kMarker, at + 1);
    result.push_back(ptx.substr(0, first) + ptx.substr(at, next - at));
    at = next;
  }
  return result;
}

// The corpus: fat binaries, and the cubins and PTX inside them, since compression would hide most damage.
std::vector<std::string> seeds() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(CORPUS_IMAGES)) {
    if (entry.path().extension() == ".fatbin") paths.push_back(entry.path());
  }
  for (const char* program : {"corpus_bugs", "corpus_repaired", "corpus_silent"}) {
    paths.push_back(fs::path(CORPUS_PROGRAMS) / program);
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> result;
  for (const fs::path& path : paths) {
    result.push_back(read_file(path));
    for (const auto& image : code::read_image_file(path.string())) {
      if (image.kind == code::ImageKind::kPtx) {
        std::ranges::move(kernels_of(image.bytes), std::back_inserter(result));
      } else {
        result.push_back(image.bytes);
      }
    }
  }
  return result;
}

std::string damage(std::string bytes, std::mt19937& random) {
  const auto pick = [&](size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random);
  };
  const size_t changes = 1 + pick(8);
  for (size_t i = 0; i < changes; ++i) {
    const size_t at = pick(bytes.size());
    switch (pick(3)) {
      case 0:
        bytes[at] = static_cast<char>(pick(256));
        break;
      case 1:
        bytes[at] = static_cast<char>(0xff);
        break;
      default:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(8)));
    }
  }
  if (pick(4) == 0) bytes.resize(1 + pick(bytes.size()));
  return bytes;
}

// How often every seed is damaged; a long run sets it in the environment.
int rounds() {
  const char* text = std::getenv("SLIPSTREAM_FUZZ_ROUNDS");
  return text == nullptr ? 20 : std::atoi(text);
}

TEST(Robustness, DamagedImagesNeverCrash) {
  std::mt19937 random(20260101);
  size_t refused = 0;
  size_t analyzed = 0;
  for (const std::string& seed : seeds()) {
    for (int round = 0; round < rounds(); ++round) {
      const Report report = check_image(damage(seed, random), "damaged", {});
      EXPECT_FALSE(text_report(report).empty());
      ++(report.problems.empty() ? analyzed : refused);
    }
  }
  EXPECT_GT(refused, 0U);
  EXPECT_GT(analyzed, 0U);
}

TEST(Robustness, TinyInputsAreProblems) {
  const std::string elf =
      "\x7f"
      "ELF";
  for (const std::string& bytes : {std::string("x"), elf, std::string(64, '\0')}) {
    EXPECT_FALSE(check_image(bytes, "tiny", {}).problems.empty()) << bytes.size() << " bytes";
  }
  for (const std::string& bytes : {std::string(), std::string("\x50\xed\x55\xba")}) {
    EXPECT_EQ(check_image(bytes, "empty", {}).kernels, 0U);
  }
}

TEST(Robustness, ADamagedImageDoesNotHideTheOthersOfItsFile) {
  std::string bytes =
      read_file(fs::path(CORPUS_IMAGES) / "llamacpp_24030_hoisted_above_barrier.fatbin");
  const Report whole = check_image(bytes, "whole", {});
  ASSERT_EQ(whole.images, 2U);
  const size_t elf = bytes.find(
      "\x7f"
      "ELF");
  ASSERT_NE(elf, bytes.npos);
  bytes[elf + 4] = 1;  // 32 bits
  const Report report = check_image(bytes, "damaged", {});
  EXPECT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.images, 2U);
  EXPECT_EQ(report.kernels, whole.kernels);
}

TEST(Robustness, AMissingFileIsAProblem) {
  EXPECT_EQ(check_paths({"/no/such/file"}, {}).problems.size(), 1U);
}

}  // namespace
}  // namespace slipstream::check::robustness_test
