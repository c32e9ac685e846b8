// https://github.com/NVIDIA/cutlass/issues/2760: grouped GEMMs were launched with the attribute and
// had no wait.
#include "chain.cuh"

constexpr int kDepth = 64;

__global__ void multiply(const float* a, const float* b, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  float sum = 0.0F;
  for (int k = 0; k < kDepth; ++k) sum += a[k] * b[k * kDepth + threadIdx.x];  // finds R1 R7 race
  out[threadIdx.x] = sum;                                                      // finds R6
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* a = corpus::device_array(kDepth, 0.0F);
  float* b = corpus::device_array(kDepth * kDepth, 1.0F);
  float* out = corpus::device_array(kDepth, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kDepth, a, 1.0F);
  corpus::launch(stream, true, multiply, 1, kDepth, a, b, out);
  return corpus::count_wrong(stream, out, kDepth, static_cast<float>(kDepth));
}
/* launches
{"kernels": [{"name": "multiply", "pdl": true,
              "parameters": [{"index": 0, "role": "produced"}, {"index": 1, "role": "constant"},
                             {"index": 2, "role": "written"}]}]}
*/
