// CUB as the CUDA toolkit ships it. Compiles it first, which takes minutes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "check/checker.h"

namespace slipstream::check {
namespace {

namespace fs = std::filesystem;

std::string line_of_file(const std::string& path, uint32_t number) {
  std::ifstream file(path);
  std::string line;
  for (uint32_t i = 0; i < number && std::getline(file, line); ++i) {
  }
  return line;
}

TEST(Cub, OnlyTheMergeSortIsReportedAndAtItsTwoLines) {
  const fs::path image =
      fs::path(testing::TempDir()) / fmt::format("all_algorithms.{}.fatbin", getpid());
  const std::string command =
      fmt::format("{} -std=c++17 -O3 -arch=sm_90a -lineinfo -fatbin -o {} {}", NVCC, image.string(),
                  CUB_SOURCE);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto start = std::chrono::steady_clock::now();
  const Report report = check_paths({image.string()}, {});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("{} kernels in {} images: {:.1f} s\n", report.kernels, report.images, seconds.count());
  EXPECT_LT(seconds.count(), 60.0);
  EXPECT_GT(report.kernels, 50U);
  EXPECT_TRUE(report.problems.empty());
  ASSERT_FALSE(report.findings.empty());
  for (const Finding& finding : report.findings) {
    EXPECT_EQ(finding.rule, Rule::kReadBeforeWait);
    EXPECT_EQ(finding.severity, Severity::kError);
    EXPECT_NE(finding.kernel.find("DeviceMergeSortMergeKernel"), std::string::npos);
    ASSERT_EQ(finding.places.size(), 2U);
    for (const Place& place : finding.places) {
      EXPECT_NE(place.file.find("agent_merge_sort.cuh"), std::string::npos);
      EXPECT_NE(line_of_file(place.file, place.line).find("merge_partitions[tile_idx"),
                std::string::npos)
          << place.text();
    }
  }
  fs::remove(image);
}

}  // namespace
}  // namespace slipstream::check
