// https://github.com/ggml-org/llama.cpp/issues/23690: a Walsh-Hadamard transform went through the
// helper that sets the attribute, and had no wait.
#include "chain.cuh"

constexpr int kWarp = 32;

__global__ void transform(float* in, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  float value = in[corpus::thread_index()];  // finds R1 R7 race
  for (int step = 1; step < kWarp; step *= 2) {
    const float other = __shfl_xor_sync(~0U, value, step);
    value = (static_cast<int>(threadIdx.x) & step) != 0 ? other - value : value + other;
  }
  out[corpus::thread_index()] = value;  // finds R6
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kWarp, 0.0F);
  float* out = corpus::device_array(kWarp, 1.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, in, 1.0F);
  corpus::launch(stream, true, transform, 1, kWarp, in, out);
  return corpus::count_wrong(stream, out, 1, static_cast<float>(kWarp));
}
/* launches
{"kernels": [{"name": "transform", "pdl": true}]}
*/
