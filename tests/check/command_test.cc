// `slipstream check` as a command: exit codes, and the files that it writes.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/check.h"
#include "cli/check_stop.h"
#include "io/json_reader.h"
#include "ptx_kernel.h"
#include "tests/code/zip_file.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream {
namespace {

namespace fs = std::filesystem;

class CheckCommand : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(path("cache"));
    write("cache/early.ptx", check::ptx_kernel("  ld.global.u32 %r3, [%rd1];\n"
                                               "  griddepcontrol.wait;\n"));
    write("produced.json",
          R"({"kernels": [{"name": "k", "pdl": true,
                           "parameters": [{"index": 0, "role": "produced"}]}]})");
    write("constant.json",
          R"({"kernels": [{"name": "k", "pdl": true,
                           "parameters": [{"index": 0, "role": "constant"}]}]})");
  }

  std::string path(const std::string& name) const { return folder_.path(name); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }
  int run(const std::vector<std::string>& arguments) const {
    const cli::CommandLine line("test");
    add_check_command(line.program());
    std::vector<const char*> argv{"slipstream", "check"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return line.run(static_cast<int>(argv.size()), argv.data());
  }

 private:
  model::test::TemporaryDirectory folder_;
};

TEST_F(CheckCommand, FailsFromTheSeverityThatIsAskedFor) {
  EXPECT_EQ(run({path("cache")}), 0);
  EXPECT_EQ(run({path("cache"), "--fail-on", "warning"}), 1);
}

TEST_F(CheckCommand, FailsOnNotesOnlyIfAsked) {
  write("cache/early.ptx", check::ptx_kernel("  griddepcontrol.launch_dependents;\n"
                                             "  griddepcontrol.wait;\n"));
  EXPECT_EQ(run({path("cache"), "--fail-on", "warning"}), 0);
  EXPECT_EQ(run({path("cache"), "--fail-on", "note"}), 1);
}

TEST_F(CheckCommand, PrintsJson) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run({path("cache"), "--json"}), 0);
  const auto report = io::parse_json_object(testing::internal::GetCapturedStdout(), "report");
  EXPECT_EQ(report["findings"][0]["rule"], "R1");
  EXPECT_EQ(report["kernels"], 1);
}

TEST_F(CheckCommand, ReportsTheRestOfADirectoryWithABrokenFile) {
  write("cache/broken.cubin",
        "\x7f"
        "ELF");
  testing::internal::CaptureStdout();
  EXPECT_EQ(run({path("cache"), "--json"}), 2);
  const auto report = io::parse_json_object(testing::internal::GetCapturedStdout(), "report");
  EXPECT_EQ(report["findings"].size(), 1U);
  EXPECT_EQ(report["problems"].size(), 1U);
}

TEST_F(CheckCommand, LetsTheCallerSettleWhatAPointerHolds) {
  EXPECT_EQ(run({path("cache"), "--launches", path("produced.json")}), 1);
  EXPECT_EQ(run({path("cache"), "--launches", path("constant.json"), "--fail-on", "warning"}), 0);
}

TEST_F(CheckCommand, RefusesLaunchesThatAreAboutNothing) {
  const auto complaint = [&](const std::string& launches) {
    write("slip.json", launches);
    testing::internal::CaptureStdout();
    const int status = run({path("cache"), "--launches", path("slip.json")});
    const std::string text = testing::internal::GetCapturedStdout();
    EXPECT_EQ(status, 2) << text;
    return text;
  };
  const auto expect = [&](const std::string& launches, const std::string& what) {
    const std::string text = complaint(launches);
    EXPECT_NE(text.find("slip.json: " + what), std::string::npos) << text;
  };
  expect(R"({"kernels": [{"name": "k"}, {"name": "ns::norm"}]})",
         R"(kernels[1]: "name" must be that of a kernel, "ns::norm" is of none)");
  expect(R"({"kernels": [{"name": "k", "parameters": [{"index": 3, "role": "constant"}]}]})",
         R"(kernels[0].parameters[0]: "index" must be less than 3)");
  expect(
      R"({"kernels": [{"name": "*", "parameters": [{"index": 2, "offset": 4, "role": "constant"}]}]})",
      R"(kernels[0].parameters[0]: "offset" must be less than 4)");
  expect(R"({"kernels": [], "edges": [{"from": "k", "to": "none", "kind": "programmatic"}]})",
         R"(edges[0]: "to" must be the name of a kernel, "none" is of none)");
  expect(R"({"recorded": {}, "kernels": [{"name": "another", "pdl": true}]})",
         "of the kernels that were recorded none is in what was checked");
}

TEST_F(CheckCommand, TakesARecordingOfMoreThanIsChecked) {
  write(
      "recorded.json",
      R"({"recorded": {}, "kernels": [{"name": "k", "pdl": false}, {"name": "x", "pdl": true}]})");
  EXPECT_EQ(run({path("cache"), "--launches", path("recorded.json")}), 0);
}

TEST_F(CheckCommand, SaysThatItCouldNotAnalyze) {
  EXPECT_EQ(run({path("missing")}), 2);
  write("broken.ptx", ".version 8.8\n.target sm_90a\n.visible .entry k(\n");
  EXPECT_EQ(run({path("broken.ptx")}), 2);
  EXPECT_EQ(run({path("cache"), "--launches", path("cache/early.ptx")}), 2);
}

TEST_F(CheckCommand, KeepsAnEarlierReportWhereTheNewOneHasNoRoom) {
  write("report.sarif", "earlier");
  const auto run_with_little_room = [&] {
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::exit(run({path("cache"), "--sarif", path("report.sarif")}));
  };
  EXPECT_EXIT(run_with_little_room(), testing::ExitedWithCode(2),
              "report.sarif: cannot be written: File too large");
  EXPECT_EQ(model::test::read_text(path("report.sarif")), "earlier");
  EXPECT_FALSE(fs::exists(path("report.sarif.partial")));
}

TEST_F(CheckCommand, SaysBeforeTheWorkThatAReportCannotBeWritten) {
  EXPECT_EQ(run({path("cache"), "--sarif", "/dev/null"}), 2);
  EXPECT_EQ(run({path("cache"), "--json=" + path("none/report.json")}), 2);
}

TEST_F(CheckCommand, ReadsNoFifoAndNoDevice) {
  ASSERT_EQ(mkfifo(path("fifo.ptx").c_str(), 0600), 0);
  EXPECT_EQ(run({path("fifo.ptx")}), 2);
  EXPECT_EQ(run({"/dev/zero"}), 2);
  EXPECT_EQ(run({path("cache"), "--launches", path("fifo.ptx")}), 2);
}

// The comment is in a source that the binary itself names.
TEST_F(CheckCommand, TakesCommentsFromTheSourceRootsOnly) {
  fs::create_directories(path("src"));
  write("src/k.cu", "// slipstream-check: allow R1: a table that is written once\nread();\n");
  write("cache/early.ptx",
        check::ptx_kernel("  .loc 1 2 1\n  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n") +
            fmt::format(".file 1 \"{}\"\n", path("src/k.cu")));
  const std::vector<std::string> strict{path("cache"), "--fail-on", "warning"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), strict.begin(), strict.end());
    return run(more);
  };
  EXPECT_EQ(with({}), 1);
  EXPECT_EQ(with({"--source-root", path("src")}), 0);
  EXPECT_EQ(with({"--source-root", path("cache")}), 1);
  EXPECT_EQ(with({"--source-root", path("none")}), 2);
}

TEST_F(CheckCommand, EndsAfterItsTimeout) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run({path("cache"), "--timeout", "0.000001", "--json"}), 124);
  const auto report = io::parse_json_object(testing::internal::GetCapturedStdout(), "report");
  EXPECT_TRUE(report["stopped"].get<bool>());
}

std::string early_kernel() {
  return check::ptx_kernel("  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n");
}

TEST_F(CheckCommand, ReadsAWheelAsAFolder) {
  const std::string inner = code::test::zip_file({{"deep/early.ptx", early_kernel(), true}});
  fs::create_directories(path("wheels"));
  write("wheels/k.whl",
        code::test::zip_file({{"k/early.ptx", early_kernel(), true},
                              {"k/METADATA", "Name: k\n"},
                              {"k/inner.zip", inner},
                              {"k/broken.so",
                               "\x7f"
                               "ELF"},
                              {"k/asm.cuh", "asm volatile(\"griddepcontrol.wait;\");\n"}}));
  testing::internal::CaptureStdout();
  EXPECT_EQ(run({path("wheels"), "--json"}), 2);
  const auto report = io::parse_json_object(testing::internal::GetCapturedStdout(), "report");
  std::multiset<std::string> found;
  for (const auto& finding : report["findings"]) {
    for (const std::string image : finding["images"]) {
      const std::string file = finding["places"][0]["file"];
      found.insert(finding["rule"].get<std::string>() + " " + (image == "source" ? file : image));
    }
  }
  const std::string wheel = path("wheels/k.whl");
  EXPECT_EQ(found,
            (std::multiset<std::string>{"R1 " + wheel + "/k/early.ptx: sm_90a PTX",
                                        "R1 " + wheel + "/k/inner.zip/deep/early.ptx: sm_90a PTX",
                                        "R10 " + wheel + "/k/asm.cuh"}));
  ASSERT_EQ(report["problems"].size(), 1U);
  EXPECT_EQ(report["problems"][0]["file"], wheel + "/k/broken.so");
}

TEST_F(CheckCommand, ReadsTheObjectsOfAStaticLibrary) {
  const std::string kernel = early_kernel();
  write("cache/libk.a", fmt::format("!<arch>\n{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n{}\n",
                                    "inner.ptx/", 0, 0, 0, 644, kernel.size(), kernel));
  testing::internal::CaptureStdout();
  EXPECT_EQ(run({path("cache"), "--json"}), 0);
  const auto report = io::parse_json_object(testing::internal::GetCapturedStdout(), "report");
  ASSERT_EQ(report["findings"].size(), 1U);
  EXPECT_EQ(report["findings"][0]["images"][0], path("cache/libk.a") + "/inner.ptx: sm_90a PTX");
}

// What is then written is as with a time limit.
TEST(StopRequests, AreMadeBySignals) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const cli::StopRequests stop(0);
    EXPECT_FALSE(cli::StopRequests::requested());
    ASSERT_EQ(raise(signal), 0);
    EXPECT_TRUE(cli::StopRequests::requested());
    EXPECT_FALSE(cli::StopRequests::time_is_over());
  }
}

TEST_F(CheckCommand, ReadsAnyArchiveThatIsNamed) {
  write("data.npz", code::test::zip_file({{"early.ptx", early_kernel()}}));
  EXPECT_EQ(run({path("data.npz"), "--fail-on", "warning"}), 1);
  fs::create_directories(path("data"));
  fs::rename(path("data.npz"), path("data/data.npz"));
  EXPECT_EQ(run({path("data")}), 2) << "of a folder only those of code are";
}

TEST_F(CheckCommand, SaysThatThereIsNoKernel) {
  fs::create_directories(path("empty"));
  EXPECT_EQ(run({path("empty")}), 2);
}

TEST_F(CheckCommand, ReportsOnlyWhatIsAskedFor) {
  const std::vector<std::string> strict{path("cache"), "--fail-on", "warning"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), strict.begin(), strict.end());
    return run(more);
  };
  EXPECT_EQ(with({"--rule", "R1"}), 1);
  EXPECT_EQ(with({"--rule", "R2", "--rule", "R6"}), 0);
  EXPECT_EQ(with({"--kernel", "k"}), 1);
  EXPECT_EQ(with({"--kernel", "another"}), 0);
  EXPECT_EQ(with({"--severity", "warning"}), 1);
  EXPECT_EQ(with({"--severity", "error"}), 0);
}

TEST_F(CheckCommand, ReportsTheSameWithSeveralThreads) {
  for (int i = 0; i < 20; ++i) {
    write(fmt::format("cache/early{}.ptx", i),
          check::ptx_kernel("  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n"));
  }
  const auto report = [&](const std::string& jobs) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(run({path("cache"), "--json", "--jobs", jobs}), 0);
    return testing::internal::GetCapturedStdout();
  };
  EXPECT_EQ(report("1"), report("4"));
}

TEST_F(CheckCommand, WritesSarif) {
  EXPECT_EQ(run({path("cache"), "--sarif", path("report.sarif")}), 0);
  const auto sarif = io::parse_json_object(model::test::read_text(path("report.sarif")), "report");
  EXPECT_EQ(sarif["runs"][0]["results"].size(), 1U);
}

}  // namespace
}  // namespace slipstream
