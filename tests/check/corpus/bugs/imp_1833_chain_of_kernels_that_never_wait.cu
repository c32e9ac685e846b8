// https://github.com/kekzl/imp/pull/1833: kernels without a wait were registered for the attribute;
// once their producers began to trigger, results changed from run to run.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void normalize(float* data) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  data[corpus::thread_index()] *= 2.0F;  // finds R1 R6 R7 race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* data = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, data, 1.0F);
  corpus::launch(stream, true, normalize, 1, kThreads, data);
  corpus::launch(stream, true, normalize, 1, kThreads, data);
  return corpus::count_wrong(stream, data, kThreads, 4.0F);
}
/* launches
{"kernels": [{"name": "normalize", "pdl": true}]}
*/
