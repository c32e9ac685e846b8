// Masks on their way to the device.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>

#include "engine/pinned_array.h"
#include "step/workspace.h"

namespace slipstream::engine {

class MaskRing {
 public:
  explicit MaskRing(int mask_words);

  // Enqueues the copy of a row's mask, of mask_words words, for step `step`; the step before, which
  // reads another, is ahead of it on the stream. Step step - TokenRing::kSlots has been received.
  void send(int64_t step, int row, std::span<const uint32_t> mask, const step::Workspace& workspace,
            cudaStream_t stream);

 private:
  size_t mask_words_;
  PinnedArray<uint32_t> words_;  // [TokenRing::kSlots, 16, mask_words]
};

}  // namespace slipstream::engine
