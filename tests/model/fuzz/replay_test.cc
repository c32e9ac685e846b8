// Every input of the corpus, among them all that once broke a reader, is read or refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "io/file.h"
#include "targets.h"

namespace slipstream::model::fuzz {
namespace {

struct FuzzTarget {
  const char* name;
  void (*run)(Bytes);
};

class ModelFuzzCorpus : public testing::TestWithParam<FuzzTarget> {};

TEST_P(ModelFuzzCorpus, IsReadOrRefused) {
  size_t inputs = 0;
  const std::filesystem::path folder = std::filesystem::path(FUZZ_CORPUS) / GetParam().name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    const std::string text = io::read_file(entry.path().string());
    const Bytes bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    // Whole, shortened, and with each of the first bytes turned over.
    for (const size_t part : {1U, 2U, 3U, 7U}) GetParam().run(bytes.first(bytes.size() / part));
    for (size_t i = 0; i < std::min<size_t>(text.size(), 64); ++i) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(~damaged[i]);
      GetParam().run({reinterpret_cast<const uint8_t*>(damaged.data()), damaged.size()});
    }
    ++inputs;
  }
  EXPECT_GT(inputs, 0U);
}

INSTANTIATE_TEST_SUITE_P(Targets, ModelFuzzCorpus,
                         testing::Values(FuzzTarget{"safetensors", safetensors},
                                         FuzzTarget{"config", config}),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace slipstream::model::fuzz
