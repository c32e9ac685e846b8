// The tokens of the steps that are on their way to the host, and what is reported of them.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <span>

#include "engine/pinned_array.h"
#include "slipstream/serving.h"
#include "step/workspace.h"

namespace slipstream::engine {

class TokenRing {
 public:
  static constexpr int kSlots = kMaxStepsOnTheirWay;

  TokenRing();
  ~TokenRing();
  TokenRing(const TokenRing&) = delete;
  TokenRing& operator=(const TokenRing&) = delete;

  // Enqueues the copy of the first `words` of what step `step` chose (step/decode_step.h: a token of
  // each row, and of drafts their counts), with log probabilities if asked for. Step step - kSlots has
  // been received.
  void send(int64_t step, const step::Workspace& workspace, int words, bool with_logprobs,
            cudaStream_t stream);
  // Waits for them; valid until kSlots steps later are sent.
  [[nodiscard]] std::span<const int> receive(int64_t step, int words) const;
  // Of a row of a received step that was sent with them.
  [[nodiscard]] const step::kernels::RowLogprobs& logprobs(int64_t step, int row) const;

 private:
  [[nodiscard]] int* words_of(int64_t step) const;

  PinnedArray<int> words_;                            // [kSlots, 32]
  PinnedArray<step::kernels::RowLogprobs> logprobs_;  // [kSlots, 16]
  std::array<cudaEvent_t, kSlots> events_{};
};

}  // namespace slipstream::engine
