// https://github.com/deepseek-ai/DeepGEMM/issues/447: a global switch sets the attribute for every
// launch, also for the kernels that have no wait.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void experts(const float* in, float* out, int n) {
  const int i = corpus::thread_index();
  if (i < n) out[i] = in[i] * 0.5F;  // finds R1 R6 R7 race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
#ifdef REPAIRED
  const bool pdl = false;
#else
  const bool pdl = true;
#endif
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 2.0F);
  corpus::launch(stream, pdl, experts, 1, kThreads, in, out, kThreads);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
/* launches
{"kernels": [{"name": "experts", "pdl": true}]}
*/
/* launches repaired
{"kernels": [{"name": "experts", "pdl": false}]}
*/
