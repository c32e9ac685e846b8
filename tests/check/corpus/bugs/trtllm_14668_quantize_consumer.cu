// https://github.com/NVIDIA/TensorRT-LLM/pull/14668: one warp's trigger released a consumer that
// had no wait.
#include "chain.cuh"

constexpr int kThreads = 128;

__global__ void quantize(float* out) {
  cudaGridDependencySynchronize();
  if (threadIdx.x < 32) cudaTriggerProgrammaticLaunchCompletion();
  corpus::dawdle();
  out[corpus::thread_index()] = 3.0F;
}

__global__ void consume(float* in, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  out[corpus::thread_index()] = in[corpus::thread_index()];  // finds R1 R6 R7 race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, quantize, 1, kThreads, in);
  corpus::launch(stream, true, consume, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 3.0F);
}
/* launches
{"kernels": [{"name": "consume", "pdl": true,
              "parameters": [{"index": 0, "role": "produced"}, {"index": 1, "role": "written"}]}]}
*/
