// https://github.com/ggml-org/llama.cpp/pull/22522: every kernel triggers at its entry and waits
// before its first access. Safe while code before a wait touches nothing.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void step(const float* in, float* out) {
  cudaTriggerProgrammaticLaunchCompletion();
  const int i = corpus::thread_index();
  cudaGridDependencySynchronize();
  out[i] = in[i] + 1.0F;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* a = corpus::device_array(kThreads, 0.0F);
  float* b = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, step, 1, kThreads, a, b);
  corpus::launch(stream, true, step, 1, kThreads, b, a);
  corpus::launch(stream, true, step, 1, kThreads, a, b);
  return corpus::count_wrong(stream, b, kThreads, 3.0F);
}
