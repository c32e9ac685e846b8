// https://github.com/flashinfer-ai/flashinfer/issues/5081: the constructor of a fused epilogue
// loads the residual above the wait.
#include "chain.cuh"

constexpr int kThreads = 64;

struct FusedAdd {
  float residual;

  __device__ FusedAdd(const float* source, int i) : residual(source[i]) {}  // finds R1 race
};

__global__ void all_reduce(const float* in, const float* residual, float* out) {
  const int i = corpus::thread_index();
#ifdef REPAIRED
  cudaGridDependencySynchronize();
  const FusedAdd add(residual, i);
#else
  const FusedAdd add(residual, i);
  cudaGridDependencySynchronize();
#endif
  out[i] = in[i] + add.residual;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 1.0F);
  float* residual = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, residual, 2.0F);
  corpus::launch(stream, true, all_reduce, 1, kThreads, in, residual, out);
  return corpus::count_wrong(stream, out, kThreads, 3.0F);
}
/* launches
{"kernels": [{"name": "all_reduce", "pdl": true,
              "parameters": [{"index": 0, "role": "produced"}, {"index": 1, "role": "produced"},
                             {"index": 2, "role": "written"}]}]}
*/
