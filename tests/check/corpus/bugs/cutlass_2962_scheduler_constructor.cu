// https://github.com/NVIDIA/cutlass/issues/2962: the constructor of a tile scheduler reads problem
// shapes, and it was built above the wait.
#include "chain.cuh"

constexpr int kThreads = 64;

struct Scheduler {
  int tiles;

  __device__ explicit Scheduler(int* shapes) {
    tiles = shapes[0] * shapes[1];  // finds R1 race
  }
};

__global__ void grouped(int* shapes, int* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
  const Scheduler scheduler(shapes);
#else
  const Scheduler scheduler(shapes);
  cudaGridDependencySynchronize();
#endif
  if (static_cast<int>(threadIdx.x) < scheduler.tiles) out[threadIdx.x] = scheduler.tiles;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* shapes = corpus::device_array(kThreads, 0);
  int* out = corpus::device_array(kThreads, 0);
  corpus::launch(stream, true, corpus::slow_producer<int>, 1, kThreads, shapes, 8);
  corpus::launch(stream, true, grouped, 1, kThreads, shapes, out);
  return corpus::count_wrong(stream, out, kThreads, 64);
}
