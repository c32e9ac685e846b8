#include "cli/emulate.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "pdl/device_fallback.h"

namespace slipstream::cli {
namespace {

TEST(EmulateCommand, RunsTheProgramWithTheSettings) {
  EmulateOptions options;
  options.devices = 3;
  options.multiprocessors = 4;
  options.schedule = "adversarial";
  options.program = {"/bin/sh", "-c",
                     "test \"$SLIPSTREAM_EMULATOR_SCHEDULE\" = adversarial && "
                     "test \"${LD_LIBRARY_PATH%%:*}\" = \"$0\" && exit "
                     "${SLIPSTREAM_EMULATOR_DEVICES}${SLIPSTREAM_EMULATOR_SMS}",
                     emulator_directory()};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(34), "");
}

TEST(EmulateCommand, SaysWhichProgramItCannotRun) {
  EmulateOptions options;
  options.program = {"/no/such/program"};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(127),
              "cannot run '/no/such/program'");
}

TEST(EmulateCommand, NamesAPlaceThatTheReportCannotGoToBeforeItRunsTheProgram) {
  EmulateOptions options;
  options.check_races = true;
  options.json_file = "/no/such/folder/races.json";
  options.program = {"/bin/sh", "-c", "exit 7"};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(2),
              "/no/such/folder/races.json: cannot be written");
}

}  // namespace
}  // namespace slipstream::cli
