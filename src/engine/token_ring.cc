#include "engine/token_ring.h"

#include <cstddef>

#include "slipstream/error.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::engine {
namespace {

using step::kernels::kMaxRows;
using step::kernels::RowLogprobs;

ptrdiff_t place_of(int64_t step, int row) {
  return static_cast<ptrdiff_t>(step % TokenRing::kSlots) * kMaxRows + row;
}

}  // namespace

TokenRing::TokenRing() : tokens_(size_t{kSlots} * kMaxRows), logprobs_(size_t{kSlots} * kMaxRows) {
  for (cudaEvent_t& event : events_) {
    check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  }
}

TokenRing::~TokenRing() {
  for (cudaEvent_t event : events_) (void)cudaEventDestroy(event);
}

void TokenRing::send(int64_t step, const step::Workspace& workspace, int count, bool with_logprobs,
                     cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(tokens_.data() + place_of(step, 0), workspace.sampled.data(),
                             count * sizeof(int), cudaMemcpyDeviceToHost, stream),
             "copy of the sampled tokens");
  if (with_logprobs) {
    check_cuda(cudaMemcpyAsync(logprobs_.data() + place_of(step, 0), workspace.logprobs.data(),
                               count * sizeof(RowLogprobs), cudaMemcpyDeviceToHost, stream),
               "copy of the log probabilities");
  }
  check_cuda(cudaEventRecord(events_[step % kSlots], stream), "cudaEventRecord");
}

std::span<const int> TokenRing::receive(int64_t step, int count) const {
  check_cuda(cudaEventSynchronize(events_[step % kSlots]), "cudaEventSynchronize");
  return {tokens_.data() + place_of(step, 0), static_cast<size_t>(count)};
}

const RowLogprobs& TokenRing::logprobs(int64_t step, int row) const {
  return logprobs_.data()[place_of(step, row)];
}

}  // namespace slipstream::engine
