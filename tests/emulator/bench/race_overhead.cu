// Kernels with the access patterns that the race check finds easiest and hardest, to time with and
// without it:
//   slipstream emulate [--check] --threads 1 -- race_overhead add|transpose|scatter|reduce|copy
//   TIMES
#include <cuda_pipeline.h>

#include <cstdio>
#include <cstdlib>
#include <string>

constexpr int kBytes = 64 << 20;
constexpr int kThreads = 256;

__global__ void add(int* values) { values[blockIdx.x * blockDim.x + threadIdx.x] += 1; }

__global__ void transpose(const float* in, float* out, int size) {
  const unsigned x = blockIdx.x * 32 + threadIdx.x;
  const unsigned y = blockIdx.y * 8 + threadIdx.y;
  out[x * size + y] = in[y * size + x];
}

// Single bytes, none beside that of the next thread.
__global__ void scatter(unsigned char* bytes, int count) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  bytes[i * 37 % count] = static_cast<unsigned char>(i);
}

__global__ void reduce(const float* in, float* sum) {
  __shared__ float partial[kThreads];
  partial[threadIdx.x] = in[blockIdx.x * kThreads + threadIdx.x];
  __syncthreads();
  for (int stride = kThreads / 2; stride > 0; stride /= 2) {
    if (threadIdx.x < stride) partial[threadIdx.x] += partial[threadIdx.x + stride];
    __syncthreads();
  }
  if (threadIdx.x == 0) atomicAdd(sum, partial[0]);
}

__global__ void copy(const float4* in, float4* out) {
  __shared__ float4 tile[kThreads];
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  for (int round = 0; round < 8; ++round) {
    __pipeline_memcpy_async(&tile[threadIdx.x], &in[i], sizeof(float4));
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
    out[i] = tile[kThreads - 1 - threadIdx.x];
    __syncthreads();
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string kernel = argv[1];
  void* a = nullptr;
  void* b = nullptr;
  cudaMalloc(&a, kBytes);
  cudaMalloc(&b, kBytes);
  cudaMemset(a, 0, kBytes);
  cudaMemset(b, 0, kBytes);
  for (int i = 0; i < std::atoi(argv[2]); ++i) {
    if (kernel == "add") add<<<kBytes / 4 / kThreads, kThreads>>>(static_cast<int*>(a));
    if (kernel == "transpose") {
      transpose<<<dim3(64, 256), dim3(32, 8)>>>(static_cast<float*>(a), static_cast<float*>(b),
                                                2048);
    }
    if (kernel == "scatter") {
      scatter<<<kBytes / 64 / kThreads, kThreads>>>(static_cast<unsigned char*>(a), kBytes / 64);
    }
    if (kernel == "reduce") {
      reduce<<<kBytes / 64 / kThreads, kThreads>>>(static_cast<float*>(a), static_cast<float*>(b));
    }
    if (kernel == "copy") {
      copy<<<kBytes / 256 / kThreads, kThreads>>>(static_cast<float4*>(a), static_cast<float4*>(b));
    }
  }
  const cudaError_t error = cudaDeviceSynchronize();
  std::printf("%s\n", cudaGetErrorString(error));
  return error == cudaSuccess ? 0 : 1;
}
