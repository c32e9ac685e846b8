// What the dynamic check costs: at most three times the CPU time of the emulation without it, and
// three times the memory that the program touches. Prints the figures of docs/emulator.md. What else the
// machine does changes CPU time as well, so both are run in turn and their medians compared.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace slipstream {
namespace {

struct Cost {
  double seconds = 0;  // of CPU, user and system
  double megabytes = 0;
};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

Cost run(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv(argv.front(), argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  EXPECT_EQ(wait4(child, &status, 0, &usage), child);
  EXPECT_EQ(status, 0) << arguments.front() << " must exit with 0";
  return {seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
          static_cast<double>(usage.ru_maxrss) / 1024};
}

constexpr size_t kRuns = 3;

Cost median(std::array<Cost, kRuns> costs) {
  const auto middle = [&](double Cost::*value) {
    std::ranges::sort(costs, {}, value);
    return costs[kRuns / 2].*value;
  };
  const double seconds = middle(&Cost::seconds);
  return {seconds, middle(&Cost::megabytes)};
}

struct Workload {
  const char* kernel;
  const char* times;
};
void PrintTo(const Workload& workload, std::ostream* out) { *out << workload.kernel; }

class RaceCost : public testing::TestWithParam<Workload> {};

TEST_P(RaceCost, IsAtMostThreefold) {
  const auto& [kernel, times] = GetParam();
  const std::vector<std::string> program = {"--threads", "1", "--", PROGRAM, kernel, times};
  std::vector<std::string> plain = {SLIPSTREAM, "emulate"};
  plain.insert(plain.end(), program.begin(), program.end());
  std::vector<std::string> checked = {SLIPSTREAM, "emulate", "--check"};
  checked.insert(checked.end(), program.begin(), program.end());
  std::array<Cost, kRuns> plain_costs;
  std::array<Cost, kRuns> checked_costs;
  for (size_t i = 0; i < kRuns; ++i) {
    plain_costs[i] = run(plain);
    checked_costs[i] = run(checked);
  }
  const Cost without = median(plain_costs);
  const Cost with = median(checked_costs);
  fmt::print(
      "| `race_overhead {} {}` | {:.1f} s / {:.1f} s: {:.1f} | {:.0f} MB / {:.0f} MB: {:.1f} |\n",
      kernel, times, with.seconds, without.seconds, with.seconds / without.seconds, with.megabytes,
      without.megabytes, with.megabytes / without.megabytes);
  EXPECT_LE(with.seconds, 3 * without.seconds);
  EXPECT_LE(with.megabytes, 3 * without.megabytes);
}

INSTANTIATE_TEST_SUITE_P(AccessPatterns, RaceCost,
                         testing::Values(Workload{"add", "12"}, Workload{"transpose", "10"},
                                         Workload{"scatter", "20"}, Workload{"reduce", "20"},
                                         Workload{"copy", "20"}),
                         [](const testing::TestParamInfo<Workload>& one) {
                           return std::string(one.param.kernel);
                         });

}  // namespace
}  // namespace slipstream
