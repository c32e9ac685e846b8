#include "cli/record.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "cli/exit_code.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::cli {
namespace {

RecordOptions options_for(const std::string& folder, const std::string& script) {
  RecordOptions options;
  options.folder = folder;
  options.program = {"/bin/sh", "-c", script};
  return options;
}

TEST(RecordCommand, GivesTheProgramTheRecorderAndNamesWhatItLeft) {
  const model::test::TemporaryDirectory directory;
  const RecordOptions options =
      options_for(directory.path("recorded"),
                  "test -e \"$CUDA_INJECTION64_PATH\" && test -d \"$SLIPSTREAM_RECORD/code\" && "
                  "echo '{}' > \"$SLIPSTREAM_RECORD/launches.7.json\" && exit 3");
  EXPECT_EXIT(std::exit(run_record(options)), testing::ExitedWithCode(3),
              "recorded/code --launches .*recorded/launches.json");
  EXPECT_TRUE(std::ifstream(options.folder + "/launches.json").good());
}

TEST(RecordCommand, KeepsTheFilesOfSeveralProcessesApart) {
  const model::test::TemporaryDirectory directory;
  const RecordOptions options =
      options_for(directory.path("recorded"),
                  "cd \"$SLIPSTREAM_RECORD\"; touch launches.7.json launches.8.json");
  EXPECT_EXIT(std::exit(run_record(options)), testing::ExitedWithCode(0), "launches.8.json");
}

TEST(RecordCommand, FailsWhereNothingWasLaunched) {
  const model::test::TemporaryDirectory directory;
  EXPECT_EXIT(std::exit(run_record(options_for(directory.path("recorded"), "true"))),
              testing::ExitedWithCode(kCannot), "launched nothing that could be recorded");
}

TEST(RecordCommand, FailsWhereNotAllCouldBeWritten) {
  const model::test::TemporaryDirectory directory;
  const RecordOptions options = options_for(directory.path("recorded"),
                                            "cd \"$SLIPSTREAM_RECORD\"; touch launches.7.json; "
                                            "echo $$ >> \"$SLIPSTREAM_RECORD_FAILURES\"");
  EXPECT_EXIT(std::exit(run_record(options)), testing::ExitedWithCode(kCannot),
              "not all of what was recorded could be written");
}

TEST(RecordCommand, RefusesAFolderThatIsInUse) {
  const model::test::TemporaryDirectory directory;
  std::ofstream(directory.path("file")) << "";
  EXPECT_EXIT(std::exit(run_record(options_for(directory.path(""), "true"))),
              testing::ExitedWithCode(kCannot), "must be new or empty");
}

}  // namespace
}  // namespace slipstream::cli
