// The GPU engine against the goldens: logits, single layers, index lists; with both cache formats.

#include <gtest/gtest.h>

#include "tests/engine/support/golden_layers.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

constexpr int kChunk = 16;

class EngineGolden : public testing::TestWithParam<std::string> {
 protected:
  EngineGolden() : golden_(GetParam()) {}

  void expect_logits(KvFormat format) {
    EngineRunner runner(model::test::tiny_checkpoint(GetParam()), format);
    model::test::expect_golden_logits(golden_, kChunk, [&] { return runner.start_sequence(); });
  }

  void expect_layers(KvFormat format);

  model::test::Golden golden_;
};

void EngineGolden::expect_layers(KvFormat format) {
  EngineRunner runner(model::test::tiny_checkpoint(GetParam()), format);
  expect_golden_layers(golden_, runner.engine());
}

TEST_P(EngineGolden, LogitsReachTheLimitsWithABf16Cache) { expect_logits(KvFormat::kBf16); }

TEST_P(EngineGolden, LogitsReachTheLimitsWithA656ByteCache) { expect_logits(KvFormat::kFp8); }

TEST_P(EngineGolden, EachLayerAloneReachesTheLimitsWithABf16Cache) {
  expect_layers(KvFormat::kBf16);
}

TEST_P(EngineGolden, EachLayerAloneReachesTheLimitsWithA656ByteCache) {
  expect_layers(KvFormat::kFp8);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EngineGolden, testing::ValuesIn(model::tiny::golden_names()),
                         model::test::checkpoint_test_name);

}  // namespace
}  // namespace slipstream::engine::test
