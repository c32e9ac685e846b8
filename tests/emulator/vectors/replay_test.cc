// What an H200 computed, instruction by instruction: the emulator must give the same bits, or stay within the bound
// that PTX states for the form.
#include "replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "emulated_runner.h"

namespace slipstream::record_vectors {
namespace {

const std::filesystem::path kFolder = SLIPSTREAM_VECTORS;

const VectorFile& recording() {
  static const VectorFile kFile = read_vector_file(kFolder / "h200.vectors.zst");
  return kFile;
}

// Forms that came later have files of their own.
std::vector<std::filesystem::path> all_recordings() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".zst") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string lines_of(const ReplayReport& report, const VectorFile& file) {
  std::string lines = describe(report, file);
  for (const std::string& finding : report.findings) lines += "\n" + finding;
  return lines;
}

TEST(Vectors, OfEveryFormGiveWhatTheGpuComputed) {
  std::set<std::string> missing;
  for (const Form& form : all_forms()) missing.insert(form.text);
  for (const auto& path : all_recordings()) {
    const VectorFile file = read_vector_file(path);
    for (const auto& [text, form] : file.forms) missing.erase(text);
    const ReplayReport report = replay(file, run_emulated);
    EXPECT_TRUE(report.passed()) << lines_of(report, file);
    EXPECT_EQ(report.replayed, file.forms.size()) << path;
    std::puts(describe(report, file).c_str());
  }
  EXPECT_EQ(missing.size(), 0U) << "forms that no GPU has computed";
}

TEST(Vectors, ThatAreStillToBeRecordedAreOfFormsThatTheEmulatorKnows) {
  std::set<std::string> recorded;
  for (const auto& path : all_recordings()) {
    for (const auto& [text, form] : read_vector_file(path).forms) recorded.insert(text);
  }
  for (const Form& form : all_forms()) {
    if (recorded.contains(form.text)) continue;
    std::vector<Bytes> zeros;
    for (const std::string& type : split_words(form.operands)) {
      zeros.emplace_back(size_t{kThreads} * register_bytes(type));
    }
    EXPECT_NO_THROW(run_emulated(form, zeros, kThreads)) << form.text;
  }
}

// So that the comparison is known to be able to fail.
TEST(Vectors, ThatDifferInOneBitAreReported) {
  constexpr const char* kForm = "add.s32 $0, $1, $2;";
  VectorFile changed = recording();
  changed.forms.at(kForm).results[0][5] ^= 1U;
  const ReplayReport report = replay(changed, run_emulated, {.only = kForm});
  EXPECT_EQ(report.replayed, 1U);
  EXPECT_EQ(report.different, 1U);
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_NE(report.findings[0].find("vector 1 of add.s32"), std::string::npos)
      << report.findings[0];
}

TEST(Vectors, OfAFormThatTheEmulatorDoesNotKnowAreReported) {
  const auto fail = [](const Form&, const std::vector<Bytes>&, unsigned) -> std::vector<Bytes> {
    throw std::runtime_error("no such instruction");
  };
  const ReplayReport report = replay(recording(), fail, {.only = "add.s32"});
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.failed, report.replayed);
}

}  // namespace
}  // namespace slipstream::record_vectors
