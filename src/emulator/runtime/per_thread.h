// What a program compiled with --default-stream per-thread calls: the same functions, in which a
// null stream is the thread's own default stream. Included by the generated files that define them.
#pragma once

#include <cuda_runtime_api.h>

#include "emulator/runtime/stream.h"

// NOLINTNEXTLINE(bugprone-reserved-identifier): a name that the compiler of CUDA chose
extern "C" cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block,
                                          void** arguments, size_t dynamic_shared_bytes,
                                          cudaStream_t stream);

namespace slipstream::emulator::runtime {

template <auto kFunction>
struct PerThread;

// Result: cudaError_t or CUresult.
template <class Result, class... Parameters, Result (*kFunction)(Parameters...)>
struct PerThread<kFunction> {
  static Result call(Parameters... arguments) {
    const NullStreamIsPerThread scope;
    return kFunction(arguments...);
  }
};

}  // namespace slipstream::emulator::runtime
