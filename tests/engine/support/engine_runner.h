// Runs the GPU engine on a tiny checkpoint, on whatever device there is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pdl/stream.h"
#include "slipstream/engine.h"
#include "tests/model/support/golden.h"

namespace slipstream::engine::test {

// Of polls: emulated devices may take long.
inline constexpr double kNoLimit = 600;

class EngineRunner {
 public:
  EngineRunner(const std::string& directory, KvFormat format, int64_t cache_tokens = 320,
               int ranks = 1);

  [[nodiscard]] Engine& engine() { return engine_; }
  // A new sequence in place of the last one; its steps give the logits of their last token, other
  // rows are zero.
  [[nodiscard]] model::test::Step start_sequence();

 private:
  pdl::Stream stream_;
  Engine engine_;
  bool has_sequence_ = false;
  SequenceId sequence_{};
};

// A prompt for checkpoints of 512 tokens.
[[nodiscard]] std::vector<int> some_ids(int count, int seed = 11);

// What a fresh sequence's prefill of `prompt` and `count` steps after it choose.
[[nodiscard]] std::vector<int> continuation(Engine& engine, const std::vector<int>& prompt,
                                            int count);

// Logits after a prompt in chunks of 16, and after a token that the test chooses: rounding may let
// one engine choose another than the next.
[[nodiscard]] model::reference::Matrix forced_logits(Engine& engine);

}  // namespace slipstream::engine::test
