// The goldens made for ranks, on 1, 2, 4 and 8 of them: logits, single layers, index lists.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "pdl/device.h"
#include "tests/engine/support/golden_layers.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

struct RanksOf {
  std::string checkpoint;
  int ranks;
  KvFormat format;
};

std::vector<RanksOf> cases() {
  std::vector<RanksOf> result;
  for (const std::string& name : model::tiny::rank_golden_names()) {
    for (const int ranks : {1, 2, 4, 8}) {
      const KvFormat format = ranks == 4 ? KvFormat::kFp8 : KvFormat::kBf16;
      result.push_back({name, ranks, format});
    }
  }
  return result;
}

class RanksGolden : public testing::TestWithParam<RanksOf> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < GetParam().ranks)
      GTEST_SKIP() << "needs " << GetParam().ranks << " GPUs";
    runner_.emplace(model::test::tiny_checkpoint(GetParam().checkpoint), GetParam().format, 320,
                    GetParam().ranks);
  }

  model::test::Golden golden_{GetParam().checkpoint};
  std::optional<EngineRunner> runner_;
};

TEST_P(RanksGolden, LogitsReachTheLimits) {
  constexpr int kChunk = 16;
  model::test::expect_golden_logits(golden_, kChunk, [&] { return runner_->start_sequence(); });
}

TEST_P(RanksGolden, EachLayerAloneReachesTheLimits) {
  expect_golden_layers(golden_, runner_->engine());
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, RanksGolden, testing::ValuesIn(cases()),
                         [](const auto& info) {
                           std::string name = info.param.checkpoint;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return std::isalnum(c) == 0; }, '_');
                           return name + "_on_" + std::to_string(info.param.ranks);
                         });

}  // namespace
}  // namespace slipstream::engine::test
