// Kernels that never end: what is said of them when a signal ends the program.
#include <cstdio>
#include <cstring>

__global__ void computes() {
  if (threadIdx.x < 32) {
    while (clock64() >= 0) {
    }
  }
  __syncthreads();
}

__global__ void polls(volatile int* flag) {
  while (*flag == 0) {
  }
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int* flag = nullptr;
  cudaMalloc(&flag, sizeof(int));
  cudaMemset(flag, 0, sizeof(int));
  if (std::strcmp(argv[1], "computes") == 0) computes<<<1, 64>>>();
  if (std::strcmp(argv[1], "polls") == 0) polls<<<1, 32>>>(flag);
  cudaDeviceSynchronize();
  std::puts("ended");
  return 0;
}
