// https://github.com/sgl-project/sglang/pull/38290: four vector loads of a bias stand above the
// wait.
#include "chain.cuh"

constexpr int kThreads = 32;

__global__ void add_bias(float4* bias, float4* in, float4* out) {
  const int i = corpus::thread_index();
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const float4 b = bias[i];  // finds R1 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const float4 x = in[i];
  out[i] = make_float4(x.x + b.x, x.y + b.y, x.z + b.z, x.w + b.w);
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* bias = corpus::device_array(4 * kThreads, 0.0F);
  float* in = corpus::device_array(4 * kThreads, 1.0F);
  float* out = corpus::device_array(4 * kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, 4 * kThreads, bias, 2.0F);
  corpus::launch(stream, true, add_bias, 1, kThreads, reinterpret_cast<float4*>(bias),
                 reinterpret_cast<float4*>(in), reinterpret_cast<float4*>(out));
  return corpus::count_wrong(stream, out, 4 * kThreads, 3.0F);
}
