// Kernels in the place of what a step has before a norm that polls: one that stores the residual, and one
// that pushes what all ranks send. Every launch of a step waits before it triggers; here the second one may
// do it the wrong way round.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace slipstream::step::test {

enum class Trigger { kAfterWait, kBeforeWait };

// Copies words, between any two launches of a chain.
struct CopiedWords {
  const uint32_t* source;
  uint32_t* target;
  int count;
};

void launch_residual(const CopiedWords& rows, cudaStream_t stream);
// `parts` copies of `rows`, at so many words from one to the next, are what as many ranks push.
void launch_pushes(const CopiedWords& rows, int parts, int64_t stride, Trigger trigger,
                   cudaStream_t stream);

}  // namespace slipstream::step::test
