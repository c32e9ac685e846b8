// Every input of the fuzzers' corpus, among them all that once broke the checker, is analyzed or
// refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "targets.h"

namespace slipstream::check::fuzz {
namespace {

struct Target {
  const char* name;
  void (*run)(Bytes);
};

std::vector<uint8_t> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class FuzzCorpus : public testing::TestWithParam<Target> {};

TEST_P(FuzzCorpus, IsAnalyzedOrRefused) {
  size_t inputs = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(FUZZ_CORPUS) / GetParam().name)) {
    SCOPED_TRACE(entry.path().string());
    const std::vector<uint8_t> bytes = read_file(entry.path());
    GetParam().run(bytes);
    // Shortened as well: a reader must not look past the end.
    for (const size_t part : {2U, 3U, 7U}) {
      const std::vector<uint8_t> shorter(bytes.begin(),
                                         bytes.begin() + static_cast<long>(bytes.size() / part));
      GetParam().run(shorter);
    }
    ++inputs;
  }
  EXPECT_GT(inputs, 0U);
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus,
                         testing::Values(Target{"image", image}, Target{"sass", sass},
                                         Target{"ptx", ptx}, Target{"archive", archive},
                                         Target{"text", text}),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace slipstream::check::fuzz
