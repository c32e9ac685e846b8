// What programs of the corpus need: buffers, launches with and without the PDL attribute, a producer
// that is slow enough for its dependents to be early, and the wait at an mbarrier.
//
// Each program is one case of docs/check.md. Built as it is, it has the bug; built with -DREPAIRED
// it does not. A comment "finds R1" marks a line that the static check must report, and nothing
// else may be reported; "finds race" marks one that the dynamic check must report as the later of
// the two accesses, "finds fault" one where the emulated device stops the program. A comment that
// begins with "launches" holds what --launches would be given.
#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace corpus {

inline void require(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(2);
}

template <class T>
T* device_array(size_t count, T value) {
  T* pointer = nullptr;
  require(cudaMalloc(&pointer, count * sizeof(T)), "cudaMalloc");
  const std::vector<T> values(count, value);
  require(cudaMemcpy(pointer, values.data(), count * sizeof(T), cudaMemcpyHostToDevice),
          "cudaMemcpy");
  return pointer;
}

template <class... Parameters, class... Arguments>
void launch(cudaStream_t stream, bool pdl, void (*kernel)(Parameters...), unsigned grid,
            unsigned block, Arguments... arguments) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(grid);
  config.blockDim = dim3(block);
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = pdl ? 1 : 0;
  require(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "launch");
}

inline cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

// Copies `count` values back and says how many differ from `expected`. The exit status of a case.
template <class T>
int count_wrong(cudaStream_t stream, const T* device, size_t count, T expected) {
  require(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  std::vector<T> values(count);
  require(cudaMemcpy(values.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost),
          "cudaMemcpy");
  size_t wrong = 0;
  for (const T& value : values) wrong += value == expected ? 0 : 1;
  std::printf("%zu of %zu values wrong\n", wrong, count);
  return wrong == 0 ? 0 : 1;
}

inline __device__ int thread_index() {
  return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

// Gives dependents time to get ahead.
inline __device__ void dawdle() {
  for (int i = 0; i < 100; ++i) __nanosleep(1000);
}

// `barrier`: the shared address of an mbarrier.
inline __device__ void wait_for_phase(unsigned barrier, unsigned parity) {
  unsigned done = 0;
  while (done == 0) {
    asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
        : "=r"(done)
        : "r"(barrier), "r"(parity)
        : "memory");
  }
}

// Waits, lets the next grid start at once, and writes `value` late.
template <class T>
__global__ void slow_producer(T* out, T value) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  dawdle();
  out[thread_index()] = value;
}

}  // namespace corpus
