// https://github.com/NVIDIA/TensorRT-LLM/pull/13294, also FlashInfer #2744: of a cooperative
// routing kernel that triggers early it was said that this does not make its writes visible. It
// need not: the consumer waits.
#include "chain.cuh"

constexpr int kBlocks = 4;
constexpr int kThreads = 64;

// All blocks are resident: the launch is cooperative.
__device__ void meet(unsigned* arrived) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(arrived, 1U);
    while (*static_cast<volatile unsigned*>(arrived) < kBlocks) {
    }
    __threadfence();
  }
  __syncthreads();
}

__global__ void route(unsigned* arrived, int* counts, int* routes) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  counts[corpus::thread_index()] = 1;
  meet(arrived);
  routes[corpus::thread_index()] = counts[kBlocks * kThreads - 1 - corpus::thread_index()];
}

__global__ void consume(int* routes, int* out) {
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = routes[corpus::thread_index()];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  unsigned* arrived = corpus::device_array(1, 0U);
  int* counts = corpus::device_array(kBlocks * kThreads, 0);
  int* routes = corpus::device_array(kBlocks * kThreads, 0);
  int* out = corpus::device_array(kBlocks * kThreads, 0);
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeCooperative;
  attributes[0].val.cooperative = 1;
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(kBlocks);
  config.blockDim = dim3(kThreads);
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = 2;
  corpus::require(cudaLaunchKernelEx(&config, route, arrived, counts, routes), "launch");
  corpus::launch(stream, true, consume, kBlocks, kThreads, routes, out);
  return corpus::count_wrong(stream, out, kBlocks * kThreads, 1);
}
