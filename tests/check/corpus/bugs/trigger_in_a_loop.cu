// An early hand-over in rounds: a thread triggers once, so that what it writes in the rounds after the
// first is not handed over, fence or not.
#include "chain.cuh"

constexpr int kThreads = 64;
constexpr int kRounds = 4;

__global__ void produce(float* out, int rounds) {
  cudaGridDependencySynchronize();
#pragma unroll 1
  for (int round = 0; round < rounds; ++round) {
    out[round * kThreads + corpus::thread_index()] = 1.0F;  // finds R8
    __threadfence();
#ifndef REPAIRED
    cudaTriggerProgrammaticLaunchCompletion();
    corpus::dawdle();
#endif
  }
#ifdef REPAIRED
  __syncthreads();  // the first thread that triggers does so for all of its block
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

__global__ void consume(const float* in, float* out) {
  const float value = in[corpus::thread_index()];  // finds race
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = value;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kRounds * kThreads, 0.0F);
  float* out = corpus::device_array(kRounds * kThreads, 0.0F);
  corpus::launch(stream, false, produce, 1, kThreads, in, kRounds);
  corpus::launch(stream, true, consume, kRounds, kThreads, in, out);
  return corpus::count_wrong(stream, out, kRounds * kThreads, 1.0F);
}
/* launches
{"kernels": [{"name": "produce", "pdl": false, "parameters": [{"index": 0, "role": "hands-over"}]},
             {"name": "consume", "pdl": true,
              "parameters": [{"index": 0, "role": "handed-over"}, {"index": 1, "role":
"written"}]}]}
*/
