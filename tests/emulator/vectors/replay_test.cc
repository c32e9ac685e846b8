// What an H200 computed, instruction by instruction: the emulator must give the same bits, or stay within the bound
// that PTX states for the form.
#include "replay.h"

#include <gtest/gtest.h>

#include "emulated_runner.h"

namespace slipstream::record_vectors {
namespace {

const VectorFile& recording() {
  static const VectorFile kFile = read_vector_file(SLIPSTREAM_VECTORS);
  return kFile;
}

std::string lines_of(const ReplayReport& report) {
  std::string lines = describe(report, recording());
  for (const std::string& finding : report.findings) lines += "\n" + finding;
  return lines;
}

TEST(Vectors, OfEveryFormGiveWhatTheGpuComputed) {
  const ReplayReport report = replay(recording(), run_emulated);
  EXPECT_TRUE(report.passed()) << lines_of(report);
  EXPECT_EQ(report.replayed, recording().forms.size());
  EXPECT_EQ(report.not_recorded, 0U);
  std::puts(describe(report, recording()).c_str());
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
