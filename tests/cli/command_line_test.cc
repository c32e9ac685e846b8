// How every command ends: exit codes, standard output, values of options.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <forward_list>
#include <fstream>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/finite.h"

namespace slipstream::cli {
namespace {

struct Values {
  uint64_t seed = 0;
  float temperature = 0;
  std::string file;
};

int run(const std::vector<const char*>& arguments, const std::function<int()>& action) {
  const CommandLine line("test");
  const Command command = line.program().add_command("run", "");
  Values values;
  command.add_option("--seed", values.seed, "");
  command.add_option("--temperature", values.temperature, "");
  command.add_option("--file", values.file, "");
  command.set_action(action);
  std::vector<const char*> argv{"slipstream", "run"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return line.run(static_cast<int>(argv.size()), argv.data());
}

int print_something() {
  std::fputs("something\n", stdout);
  return kDone;
}

TEST(CommandLine, EndsWithTheCodeOfWhatWentWrong) {
  EXPECT_EQ(run({}, [] { return kDone; }), 0);
  EXPECT_EQ(run({}, [] { return kFound; }), 1);
  EXPECT_EQ(run({}, []() -> int { throw Found("found"); }), 1);
  EXPECT_EQ(run({}, []() -> int { throw InvalidArgument("a file must be there"); }), 2);
  EXPECT_EQ(run({}, []() -> int { throw std::bad_alloc(); }), 2);
  EXPECT_EQ(run({"--none"}, print_something), 3);
  EXPECT_EQ(run({}, []() -> int { throw CudaError("call", cudaErrorMemoryAllocation); }), 4);
}

std::vector<std::string> words_of_program(std::vector<const char*> arguments) {
  const CommandLine line("test");
  const Command command = line.program().add_command("run", "");
  std::vector<std::string> words;
  command.add_program(words);
  command.set_action([] { return kDone; });
  arguments.insert(arguments.begin(), {"slipstream", "run"});
  const int code = line.run(static_cast<int>(arguments.size()), arguments.data());
  EXPECT_EQ(code, words.empty() ? kUsage : kDone);
  return words;
}

TEST(CommandLine, PassesTheArgumentsOfAProgramOnAsTheyAre) {
  const std::vector<const char*> given{"--", "program", "",   "[1,2]", "[]",
                                       "--", "--seed",  "-h", ""};
  EXPECT_EQ(words_of_program(given), (std::vector<std::string>(given.begin() + 1, given.end())));
  EXPECT_EQ(words_of_program({"program", "word"}), (std::vector<std::string>{"program", "word"}));
  EXPECT_TRUE(words_of_program({}).empty());
  EXPECT_TRUE(words_of_program({"--"}).empty());
}

// In a process of its own, which takes all the memory that it may have in small pieces.
TEST(CommandLine, SaysThatTheHostHasTooLittleMemoryWhereDestructorsNeedSomeToo) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs the address space";
#endif
  const auto run_out_of_memory = [] {
    _exit(run({}, []() -> int {
      std::forward_list<uint64_t> pieces;  // go after the value below
      const nlohmann::json nested = {{"numbers", {1, 2, {3, 4}}}, {"name", {{"a", "b"}}}};
      uint64_t pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      const rlim_t most = pages * sysconf(_SC_PAGESIZE) + (4 << 20);
      const rlimit limit{most, most};
      setrlimit(RLIMIT_AS, &limit);
      for (;;) pieces.push_front(nested.size());
    }));
  };
  EXPECT_EXIT(run_out_of_memory(), testing::ExitedWithCode(2),
              "the host has too little memory for this");
}

TEST(CommandLine, ListsTheExitCodesInItsHelp) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run({"--help"}, print_something), 0);
  EXPECT_NE(
      testing::internal::GetCapturedStdout().find("Exit codes: 0 done, 1 something was found"),
      std::string::npos);
}

TEST(CommandLine, SaysThatStandardOutputIsFull) {
  const auto run_on_a_full_disk = [](const std::vector<const char*>& arguments) {
    if (std::freopen("/dev/full", "w", stdout) == nullptr) std::exit(9);
    _exit(run(arguments, print_something));
  };
  EXPECT_EXIT(run_on_a_full_disk({}), testing::ExitedWithCode(2),
              "slipstream: standard output: cannot be written: No space left on device");
  EXPECT_EXIT(run_on_a_full_disk({"--help"}), testing::ExitedWithCode(2), "standard output");
}

TEST(CommandLine, SaysThatStandardOutputIsClosed) {
  const auto run_closed = [] {
    close(STDOUT_FILENO);
    _exit(run({}, print_something));
  };
  EXPECT_EXIT(run_closed(), testing::ExitedWithCode(2), "standard output: cannot be written");
}

TEST(CommandLine, GivesTheNumberOfAClosedStreamToNoFile) {
  const auto run_closed = [] {
    close(STDOUT_FILENO);
    _exit(run({}, [] { return dup(STDERR_FILENO) > STDERR_FILENO ? 42 : 0; }));
  };
  EXPECT_EXIT(run_closed(), testing::ExitedWithCode(42), "");
}

TEST(CommandLine, KeepsTheCodeOfAnErrorWhereStandardOutputIsFull) {
  const auto run_on_a_full_disk = [] {
    if (std::freopen("/dev/full", "w", stdout) == nullptr) std::exit(9);
    _exit(run({}, [] {
      (void)print_something();
      return kDevice;
    }));
  };
  EXPECT_EXIT(run_on_a_full_disk(), testing::ExitedWithCode(4), "");
}

TEST(CommandLine, RefusesNumbersThatDoNotFit) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(run({"--seed", "18446744073709551616"}, print_something), kUsage);
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "must be a whole number from 0 to 18446744073709551615, is 18446744073709551616"),
            std::string::npos);
  EXPECT_EQ(run({"--seed", "-1"}, print_something), kUsage);
  EXPECT_EQ(run({"--seed", "1e3"}, print_something), kUsage);
  EXPECT_EQ(run({"--seed", "18446744073709551615"}, [] { return kDone; }), kDone);
}

TEST(CommandLine, RefusesEmptyValues) {
  EXPECT_EQ(run({"--file", ""}, print_something), kUsage);
  EXPECT_EQ(run({"--temperature", ""}, print_something), kUsage);
  EXPECT_EQ(run({"--seed", ""}, print_something), kUsage);
}

TEST(FiniteCheck, CountsAndNamesTheFirst) {
  FiniteCheck check("logits", "token");
  check.look_at(std::vector<float>{1, 2, 3}, 0);
  check.report(false);
  check.look_at(std::vector<float>{1, NAN, -INFINITY}, 1);
  try {
    check.report(false);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Found& found) {
    EXPECT_STREQ(found.what(),
                 "logits must be finite, 2 of the 6 looked at are not: the first is NaN at index 1 "
                 "of token 1 (are the weights or the input damaged?)");
  }
  testing::internal::CaptureStderr();
  check.report(true);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("2 of the 6"), std::string::npos);
}

}  // namespace
}  // namespace slipstream::cli
