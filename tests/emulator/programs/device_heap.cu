// new, delete, malloc and free in kernels, as field programs use them: objects with virtual functions, lists across
// launches, and a heap that is too small.
#include "program.h"

struct Shape {
  __device__ virtual int area() const = 0;
  __device__ virtual ~Shape() {}
};
struct Square : Shape {
  int side;
  __device__ explicit Square(int side) : side(side) {}
  __device__ int area() const override { return side * side; }
};
struct Line : Shape {
  __device__ int area() const override { return 0; }
};

__global__ void make_shapes(Shape** shapes) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i % 3 == 0) {
    shapes[i] = new Line;
  } else {
    shapes[i] = new Square(i);
  }
}

__global__ void measure(Shape** shapes, int* areas) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  areas[i] = shapes[i]->area();
  delete shapes[i];
}

__global__ void exhaust(int* given) {
  int count = 0;
  while (count < 1000) {
    if (malloc(1 << 10) == nullptr) break;
    ++count;
  }
  *given = count;
}

int main() {
  constexpr int kThreads = 128;
  check(cudaDeviceSetLimit(cudaLimitMallocHeapSize, 1 << 18), "heap limit");
  auto** const shapes = device_array<Shape*>(kThreads);
  int* const areas = device_array<int>(kThreads);
  make_shapes<<<4, kThreads / 4>>>(shapes);
  measure<<<4, kThreads / 4>>>(shapes, areas);
  const auto found = to_host(areas, kThreads);
  for (int i = 0; i < kThreads; ++i) expect(found[i] == (i % 3 == 0 ? 0 : i * i), "area");
  exhaust<<<1, 1>>>(areas);
  const int given = to_host(areas, 1)[0];
  expect(given > 200 && given < 256, "a heap of 256 KiB gives fewer than 256 blocks of 1 KiB");
  size_t limit = 0;
  check(cudaDeviceGetLimit(&limit, cudaLimitMallocHeapSize), "limit");
  expect(limit == 1 << 18, "the limit that was set");
  expect(cudaDeviceSetLimit(cudaLimitMallocHeapSize, 1 << 20) == cudaErrorInvalidValue,
         "too late for another limit");
  return 0;
}
