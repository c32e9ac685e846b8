// https://github.com/flashinfer-ai/flashinfer/pull/3120: said to hang, because the producer never
// triggers. Ending is a trigger too.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void produce(int* out) { out[corpus::thread_index()] = 1; }

__global__ void consume(int* in, int* out) {
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = in[corpus::thread_index()];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* in = corpus::device_array(kThreads, 0);
  int* out = corpus::device_array(kThreads, 0);
  corpus::launch(stream, false, produce, 1, kThreads, in);
  corpus::launch(stream, true, consume, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 1);
}
