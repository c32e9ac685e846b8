// https://github.com/Dao-AILab/flash-attention/pull/2481: the backward kernel, launched with the
// attribute, never waits for the one that prepares its row sums.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void backward(const float* row_sums, const float* gradient, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const int i = corpus::thread_index();
  out[i] = gradient[i] - row_sums[i];  // finds R1 R6 R7 race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* row_sums = corpus::device_array(kThreads, 0.0F);
  float* gradient = corpus::device_array(kThreads, 3.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, row_sums, 1.0F);
  corpus::launch(stream, true, backward, 1, kThreads, row_sums, gradient, out);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
/* launches
{"kernels": [{"name": "backward", "pdl": true,
              "parameters": [{"index": 0, "role": "produced"}, {"index": 1, "role": "constant"},
                             {"index": 2, "role": "written"}]}]}
*/
