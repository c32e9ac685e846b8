// The tiny model that counts, with drafts: what it must answer, step by step.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "pdl/stream.h"
#include "slipstream/engine.h"

namespace slipstream::engine::test {

inline constexpr int kCountingVocabulary = 512;

class CountingEngine {
 public:
  explicit CountingEngine(int drafts, int64_t cache_tokens = 256,
                          KvFormat kv_format = KvFormat::kBf16);
  // On a stream of its own, or over ranks.
  CountingEngine(const std::string& directory, LoadOptions options);

  [[nodiscard]] Engine& engine() { return engine_; }
  // A sequence of tokens first, first + 1, ..., prefilled.
  [[nodiscard]] SequenceId start(int first, int count);
  // `count` tokens of a sequence, by run().
  [[nodiscard]] std::vector<int> run(SequenceId sequence, int count);

 private:
  pdl::Stream stream_;
  Engine engine_;
};

// The `count` tokens after `token`.
[[nodiscard]] std::vector<int> counted(int token, int count);

// What DraftStatistics must say of the steps of one sequence after `token`, the first of which found
// no drafts, until `steps` others have been.
[[nodiscard]] DraftStatistics counting_statistics(int token, int drafts, int64_t steps);

inline void expect_statistics(const DraftStatistics& actual, const DraftStatistics& expected) {
  EXPECT_EQ(actual.steps, expected.steps);
  EXPECT_EQ(actual.tokens, expected.tokens);
  EXPECT_EQ(actual.checked, expected.checked);
  EXPECT_EQ(actual.accepted, expected.accepted);
}

}  // namespace slipstream::engine::test
