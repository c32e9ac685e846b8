#include "record/recording_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace slipstream::record {
namespace {

namespace fs = std::filesystem;

class RecordingFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "recording-XXXXXX";
    folder_ = mkdtemp(name.data());
    setenv("SLIPSTREAM_RECORD_FAILURES", failures().c_str(), /*overwrite=*/1);
  }
  void TearDown() override {
    unsetenv("SLIPSTREAM_RECORD_FAILURES");
    fs::remove_all(folder_);
  }

  [[nodiscard]] std::string failures() const { return folder_ + "/failures"; }

  static std::string text_of(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string folder_;
};

// Ranks that load the same code.
TEST_F(RecordingFile, MayBeWrittenBySeveralProcessesAtOnce) {
  const std::string bytes(1 << 20, 'x');
  const std::string file = folder_ + "/code.cubin";
  std::vector<pid_t> writers(4);
  for (pid_t& writer : writers) {
    writer = fork();
    if (writer != 0) continue;
    for (int i = 0; i < 20; ++i) write_whole(file, bytes);
    _exit(0);
  }
  for (const pid_t writer : writers) waitpid(writer, nullptr, 0);
  EXPECT_EQ(text_of(file), bytes);
  EXPECT_FALSE(fs::exists(failures())) << text_of(failures());
}

TEST_F(RecordingFile, ThatCannotBeWrittenIsToldToTheCommand) {
  testing::internal::CaptureStderr();
  write_whole(folder_ + "/gone/launches.json", "{}");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("/gone/launches.json: cannot be written: No such file"), std::string::npos)
      << text;
  EXPECT_EQ(text_of(failures()), std::to_string(getpid()) + "\n");
}

}  // namespace
}  // namespace slipstream::record
