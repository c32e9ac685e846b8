// The early hand-over that newer PTX documents: a fence before the trigger publishes what was
// written, and the dependent may read it before its wait. Here the fence is missing.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void produce(float* out) {
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = 1.0F;  // finds R8
#ifdef REPAIRED
  __threadfence();
#endif
  __syncthreads();
  cudaTriggerProgrammaticLaunchCompletion();
}

__global__ void consume(const float* in, float* out) {
  const float value = in[corpus::thread_index()];  // finds race
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = value;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, false, produce, 1, kThreads, in);
  corpus::launch(stream, true, consume, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
/* launches
{"kernels": [{"name": "produce", "pdl": false, "parameters": [{"index": 0, "role": "hands-over"}]},
             {"name": "consume", "pdl": true,
              "parameters": [{"index": 0, "role": "handed-over"}, {"index": 1, "role":
"written"}]}]}
*/
