#include "engine/token_ring.h"

#include <cstddef>

#include "slipstream/error.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::engine {
namespace {

using step::kernels::kMaxRows;
using step::kernels::RowLogprobs;

// A token of each row, and after those of 16 rows how many of each sequence's count.
constexpr size_t kWords = size_t{2} * kMaxRows;

ptrdiff_t slot_of(int64_t step) { return static_cast<ptrdiff_t>(step % TokenRing::kSlots); }

}  // namespace

TokenRing::TokenRing() : words_(kSlots * kWords), logprobs_(size_t{kSlots} * kMaxRows) {
  for (cudaEvent_t& event : events_) {
    check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  }
}

TokenRing::~TokenRing() {
  for (cudaEvent_t event : events_) (void)cudaEventDestroy(event);
}

void TokenRing::send(int64_t step, const step::Workspace& workspace, int words, bool with_logprobs,
                     cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(words_of(step), workspace.sampled.data(), words * sizeof(int),
                             cudaMemcpyDeviceToHost, stream),
             "copy of the sampled tokens");
  if (with_logprobs) {
    check_cuda(
        cudaMemcpyAsync(logprobs_.data() + slot_of(step) * kMaxRows, workspace.logprobs.data(),
                        words * sizeof(RowLogprobs), cudaMemcpyDeviceToHost, stream),
        "copy of the log probabilities");
  }
  check_cuda(cudaEventRecord(events_[slot_of(step)], stream), "cudaEventRecord");
}

int* TokenRing::words_of(int64_t step) const { return words_.data() + slot_of(step) * kWords; }

std::span<const int> TokenRing::receive(int64_t step, int words) const {
  check_cuda(cudaEventSynchronize(events_[slot_of(step)]), "cudaEventSynchronize");
  return {words_of(step), static_cast<size_t>(words)};
}

const RowLogprobs& TokenRing::logprobs(int64_t step, int row) const {
  return logprobs_.data()[slot_of(step) * kMaxRows + row];
}

}  // namespace slipstream::engine
