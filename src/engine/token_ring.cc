#include "engine/token_ring.h"

#include <cstddef>

#include "slipstream/error.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::engine {

using step::kernels::kMaxRows;

TokenRing::TokenRing() {
  check_cuda(cudaMallocHost(reinterpret_cast<void**>(&tokens_), sizeof(int) * kSlots * kMaxRows),
             "cudaMallocHost");
  for (cudaEvent_t& event : events_) {
    check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  }
}

TokenRing::~TokenRing() {
  for (cudaEvent_t event : events_) (void)cudaEventDestroy(event);
  (void)cudaFreeHost(tokens_);
}

void TokenRing::send(int step, const int* device, int count, cudaStream_t stream) {
  const ptrdiff_t slot = step % kSlots;
  check_cuda(cudaMemcpyAsync(tokens_ + slot * kMaxRows, device, count * sizeof(int),
                             cudaMemcpyDeviceToHost, stream),
             "copy of the sampled tokens");
  check_cuda(cudaEventRecord(events_[slot], stream), "cudaEventRecord");
}

std::span<const int> TokenRing::receive(int step, int count) const {
  const ptrdiff_t slot = step % kSlots;
  check_cuda(cudaEventSynchronize(events_[slot]), "cudaEventSynchronize");
  return {tokens_ + slot * kMaxRows, static_cast<size_t>(count)};
}

}  // namespace slipstream::engine
