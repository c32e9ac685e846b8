// https://github.com/pegainfer-project/pegainfer/issues/569: two chained products share one
// activation buffer; the second overwrites it while the first still reads.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void slow_product(const float* activation, float* out) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  corpus::dawdle();
  out[corpus::thread_index()] = 2.0F * activation[corpus::thread_index()];
}

__global__ void next_activation(float* activation, const float* weights) {
  const float weight = weights[threadIdx.x];
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  activation[corpus::thread_index()] = weight;  // finds R6 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* activation = corpus::device_array(kThreads, 1.0F);
  float* weights = corpus::device_array(kThreads, 5.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, slow_product, 1, kThreads, activation, out);
  corpus::launch(stream, true, next_activation, 1, kThreads, activation, weights);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
/* launches
{"kernels": [{"name": "next_activation", "pdl": true,
              "parameters": [{"index": 0, "role": "written"}, {"index": 1, "role": "constant"}]}]}
*/
