#include "engine/mask_ring.h"

#include <algorithm>

#include "engine/token_ring.h"

namespace slipstream::engine {

using step::kernels::kMaxRows;

MaskRing::MaskRing(int mask_words)
    : mask_words_(mask_words), words_(mask_words_ * TokenRing::kSlots * kMaxRows) {}

void MaskRing::send(int64_t step, int row, std::span<const uint32_t> mask,
                    const step::Workspace& workspace, cudaStream_t stream) {
  const auto slot = static_cast<size_t>(step % TokenRing::kSlots);
  uint32_t* source = words_.data() + (slot * kMaxRows + row) * mask_words_;
  std::copy(mask.begin(), mask.end(), source);
  check_cuda(cudaMemcpyAsync(workspace.masks.data() + row * mask_words_, source,
                             mask_words_ * sizeof(uint32_t), cudaMemcpyHostToDevice, stream),
             "copy of a mask");
}

}  // namespace slipstream::engine
