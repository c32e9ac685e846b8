#include "cli/emulate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/exit_code.h"
#include "pdl/device_fallback.h"
#include "tests/model/support/tiny_files.h"
#include "tests/support/sanitized.h"

namespace slipstream::cli {
namespace {

class EmulateCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (test::kSanitized) GTEST_SKIP() << test::kNotByAShell;
  }
};

TEST_F(EmulateCommand, RunsTheProgramWithTheSettings) {
  EmulateOptions options;
  options.devices = 3;
  options.multiprocessors = 4;
  options.schedule = "adversarial";
  options.program = {"/bin/sh", "-c",
                     "test \"$SLIPSTREAM_EMULATOR_SCHEDULE\" = adversarial && "
                     "test \"${LD_LIBRARY_PATH%%:*}\" = \"$0\" && "
                     "test \"$SLIPSTREAM_NCCL\" = \"$0/libnccl.so.2\" && exit "
                     "${SLIPSTREAM_EMULATOR_DEVICES}${SLIPSTREAM_EMULATOR_SMS}",
                     emulator_directory()};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(34), "");
}

TEST_F(EmulateCommand, PreloadsTheLibrariesForAProgramThatIsNotLinkedWithIt) {
  EmulateOptions options;
  options.program = {
      "/bin/sh", "-c",
      "test \"$LD_PRELOAD\" = \"$0/libslipstream_cuda.so:$0/libcudart.so.13:$0/libcublas.so.13:"
      "$0/libcublasLt.so.13:$0/libnvJitLink.so.13:libm.so.6\"",
      emulator_directory()};
  EXPECT_EXIT(
      {
        setenv("LD_PRELOAD", "libm.so.6", 1);
        std::exit(run_emulate(options));
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(EmulateCommand, PreloadsNothingForAProgramThatIsLinkedWithTheRuntime) {
  const model::test::TemporaryDirectory directory;
  const std::string program = directory.path("program");
  std::ofstream(program) << "#!/bin/sh\n# libcudart.so.13\ntest -z \"$LD_PRELOAD\"\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  EmulateOptions options;
  options.program = {program};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(0), "");
}

TEST_F(EmulateCommand, TellsTritonWhereTheDriverAndPtxasAre) {
  EmulateOptions options;
  options.program = {"/bin/sh", "-c",
                     "test \"$TRITON_LIBCUDA_PATH\" = \"$0\" && "
                     "test \"$TRITON_PTXAS_PATH\" = \"$0/ptxas\" && "
                     "test \"$TRITON_PTXAS_BLACKWELL_PATH\" = \"$0/ptxas\" && "
                     "test \"$TRITON_CACHE_DIR\" = \"/some/home/.triton/cache/emulated\"",
                     emulator_directory()};
  EXPECT_EXIT(
      {
        unsetenv("TRITON_CACHE_DIR");
        setenv("TRITON_HOME", "/some/home", 1);
        std::exit(run_emulate(options));
      },
      testing::ExitedWithCode(0), "");
}

// Called as Triton does: with options whose values are no files, and the input before the output.
TEST_F(EmulateCommand, HandsPtxOnInsteadOfCompilingIt) {
  const model::test::TemporaryDirectory directory;
  const std::string input = directory.path("kernel.ptx");
  std::ofstream(input) << ".version 8.0\n";
  EmulateOptions options;
  options.program = {
      "/bin/sh", "-c",
      "\"$TRITON_PTXAS_PATH\" -lineinfo -v --opt-level 0 --gpu-name=sm_90a \"$0\" -o \"$0.o\" && "
      "cmp \"$0\" \"$0.o\" && \"$TRITON_PTXAS_PATH\" --version | grep -q 'release 13.0' && "
      "! \"$TRITON_PTXAS_PATH\" \"$0\"",
      input};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(0),
              "must be given a file of PTX and -o");
}

TEST_F(EmulateCommand, HasDeepGemmCompileToPtx) {
  const model::test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory.path("bin"));
  const std::string compiler = directory.path("bin/nvcc");
  std::ofstream(compiler) << "#!/bin/sh\necho compiler \"$@\" > \"$CUDA_HOME/called\"\n";
  std::filesystem::permissions(compiler, std::filesystem::perms::owner_all);
  EmulateOptions options;
  options.program = {"/bin/sh", "-c",
                     "test \"$DG_JIT_NVCC_COMPILER\" = \"$0/nvcc\" && "
                     "test \"$DG_JIT_CACHE_DIR\" = /some/cache/emulated && "
                     "\"$DG_JIT_NVCC_COMPILER\" a.cu --cubin -arch=sm_90a '-o a b' && "
                     "test \"$(cat \"$CUDA_HOME/called\")\" = "
                     "'compiler a.cu --ptx -arch=sm_90a -o a b'",
                     emulator_directory()};
  EXPECT_EXIT(
      {
        setenv("CUDA_HOME", directory.path("").c_str(), 1);
        setenv("DG_JIT_CACHE_DIR", "/some/cache", 1);
        std::exit(run_emulate(options));
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(EmulateCommand, RecordsIntoANewFolderOnly) {
  const model::test::TemporaryDirectory directory;
  EmulateOptions options;
  options.record_folder = directory.path("recorded");
  options.program = {"/bin/sh", "-c",
                     "test -d \"$SLIPSTREAM_EMULATOR_RECORD\" && touch \"$0/launches.json\"",
                     options.record_folder};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(kCannot),
              "must be new or empty");
}

TEST_F(EmulateCommand, FailsWhereNotAllThatWasRecordedCouldBeWritten) {
  const model::test::TemporaryDirectory directory;
  EmulateOptions options;
  options.record_folder = directory.path("recorded");
  options.program = {"/bin/sh", "-c", "rmdir \"$0\" && exec \"$1\"", options.record_folder,
                     ENDING_PROGRAM};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(kCannot),
              "launches.*json: cannot be written.*not all of what was recorded could be written");
}

TEST_F(EmulateCommand, SaysWhichProgramItCannotRun) {
  EmulateOptions options;
  options.program = {"/no/such/program"};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(127),
              "cannot run '/no/such/program'");
}

TEST_F(EmulateCommand, SaysThatADirectoryOrAFifoIsNoProgram) {
  const model::test::TemporaryDirectory directory;
  const std::string fifo = directory.path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0700), 0);
  for (const std::string& path : {directory.path(), fifo}) {
    EmulateOptions options;
    options.program = {path};
    EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(126),
                "cannot run '.*': Permission denied");
  }
}

TEST_F(EmulateCommand, NeedsNoTemporaryFolder) {
  EmulateOptions options;
  options.check_races = true;
  options.program = {"/bin/sh", "-c", "echo >> \"$SLIPSTREAM_EMULATOR_CHECK\" && exit 7"};
  EXPECT_EXIT(
      {
        setenv("TMPDIR", "/nonexistent", 1);
        std::exit(run_emulate(options));
      },
      testing::ExitedWithCode(7), "");
}

TEST_F(EmulateCommand, EndsAProgramThatTakesTooLong) {
  EmulateOptions options;
  options.timeout_seconds = 0.1;
  options.program = {"/bin/sleep", "60"};
  for (const bool check : {false, true}) {
    options.check_races = check;
    EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(124),
                "the program was ended: --timeout is over");
  }
}

// --- What happens to the program when the command is ended.

// Whether the process ends within ten seconds. Nobody waits for it, so what is left of it may be a
// zombie.
bool ends(pid_t process) {
  for (int i = 0; i < 1000; ++i) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string number;
    std::string name;
    std::string state;
    if (!(file >> number >> name >> state) || state == "Z") return true;
    usleep(10000);
  }
  return false;
}

// The command as a process of its own, and the program that it has started.
struct Started {
  pid_t command = 0;
  pid_t program = 0;
};

Started start_sleeping_program(const std::string& file, const std::string& trap) {
  EmulateOptions options;
  options.check_races = true;
  options.program = {"/bin/sh", "-c",
                     trap + "echo $$ > " + file + ".new && mv " + file + ".new " + file +
                         " && while :; do sleep 0.05; done"};
  Started started;
  started.command = fork();
  if (started.command == 0) _exit(run_emulate(options));
  while (!std::filesystem::exists(file)) usleep(1000);
  std::ifstream(file) >> started.program;
  return started;
}

TEST_F(EmulateCommand, TakesItsProgramAlongWhenItIsKilled) {
  const model::test::TemporaryDirectory directory;
  const Started started = start_sleeping_program(directory.path("pid"), "");
  kill(started.command, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(started.command, &status, 0), started.command);
  EXPECT_TRUE(ends(started.program));
}

TEST_F(EmulateCommand, PassesSignalsOnAndEndsAsTheProgramDoes) {
  const model::test::TemporaryDirectory directory;
  for (const bool handles : {false, true}) {
    const std::string file = directory.path(handles ? "handles" : "ends");
    const Started started = start_sleeping_program(file, handles ? "trap 'exit 9' TERM; " : "");
    kill(started.command, SIGTERM);
    int status = 0;
    ASSERT_EQ(waitpid(started.command, &status, 0), started.command);
    EXPECT_EQ(WEXITSTATUS(status), handles ? 9 : 128 + SIGTERM);
    EXPECT_TRUE(ends(started.program));
  }
}

TEST_F(EmulateCommand, NamesAPlaceThatTheReportCannotGoToBeforeItRunsTheProgram) {
  EmulateOptions options;
  options.check_races = true;
  options.json_file = "/no/such/folder/races.json";
  options.program = {"/bin/sh", "-c", "exit 7"};
  EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(2),
              "/no/such/folder/races.json: cannot be written");
}

TEST_F(EmulateCommand, NamesAFileThatReportsCannotBeAddedToBeforeItRunsTheProgram) {
  const model::test::TemporaryDirectory directory;
  const std::string fifo = directory.path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), S_IRUSR | S_IWUSR), 0);
  for (const std::string& file : {std::string("/no/such/folder/reports"), fifo}) {
    EmulateOptions options;
    options.report_file = file;
    options.program = {"/bin/sh", "-c", "exit 7"};
    EXPECT_EXIT(std::exit(run_emulate(options)), testing::ExitedWithCode(kCannot),
                file + ": cannot be written");
  }
}

}  // namespace
}  // namespace slipstream::cli
