#include "kernels.h"

namespace slipstream::runtime_test {
namespace {

__device__ int counter = 5;
__constant__ float factors[4] = {1, 2, 3, 4};
__managed__ int managed_counter = 9;

__global__ void use_variables(float* out) {
  *out = factors[3] + static_cast<float>(counter);
  counter += 1;
  managed_counter += 1;
}

__global__ void write_shape(unsigned* out) {
  const bool writes =
      blockIdx.x == 1 && blockIdx.y == 2 && blockIdx.z == 3 && threadIdx.x == 3 && threadIdx.z == 1;
  if (writes) {
    out[0] = gridDim.x * 100 + gridDim.y * 10 + gridDim.z;
    out[1] = blockDim.x * 100 + blockDim.y * 10 + blockDim.z;
  }
}

__global__ void append_digit(unsigned long long* number, unsigned digit) {
  *number = *number * 10 + digit;
}

__device__ int self() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

// Enough instructions that a dependent grid has time to start.
__device__ void dawdle() {
  for (int i = 0; i < 200; ++i) asm volatile("" ::: "memory");
}

}  // namespace

__global__ void count_down(int* values, cudaGraphConditionalHandle handle) {
  values[0] -= 1;
  cudaGraphSetConditional(handle, static_cast<unsigned>(values[0]));
}
__global__ void set_condition(const int* values, cudaGraphConditionalHandle handle) {
  cudaGraphSetConditional(handle, static_cast<unsigned>(values[0]));
}

__global__ void take_parameters(char a, Mixed mixed, const int* in, short b, long long* out) {
  out[0] = a;
  out[1] = static_cast<long long>(mixed.number * 10) + mixed.letter + mixed.small[2];
  out[2] = in[1];
  out[3] = b;
}

__global__ void use_shared(int* out) {
  extern __shared__ int words[];
  words[threadIdx.x] = 2 * static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = words[blockDim.x - 1 - threadIdx.x];
}

__global__ void __launch_bounds__(128) bounded(int* out) { *out = 1; }

__global__ void add(int* values, int index, int addend) { values[index] += addend; }

__global__ void sum(int* values, int count) {
  for (int i = 0; i < count; ++i) values[count] += values[i];
}

__global__ void write(int* data, int value, Step step) {
  if (step.wait_first) cudaGridDependencySynchronize();
  if (step.trigger_first) cudaTriggerProgrammaticLaunchCompletion();
  dawdle();
  data[self()] = value;
  if (step.publish) {
    __threadfence();
    __syncthreads();
    cudaTriggerProgrammaticLaunchCompletion();
  }
  if (step.wait_last) cudaGridDependencySynchronize();
}

__global__ void read(const volatile int* in, int* out, Step step) {
  if (step.wait_first) cudaGridDependencySynchronize();
  if (step.trigger_first) cudaTriggerProgrammaticLaunchCompletion();
  dawdle();
  const int value = in[(self() + kThreads) % kCount];
  if (step.wait_last) cudaGridDependencySynchronize();
  out[self()] = value;
}

__global__ void pass(Step step) {
  if (step.trigger_first) cudaTriggerProgrammaticLaunchCompletion();
  if (step.wait_first) cudaGridDependencySynchronize();
}

void launch_take_parameters(char a, const Mixed& mixed, const int* in, short b, long long* out) {
  take_parameters<<<1, 1>>>(a, mixed, in, b, out);
}

void launch_use_shared(const Shape& shape, int* out) {
  use_shared<<<shape.grid, shape.block, shape.shared_bytes, shape.stream>>>(out);
}

void launch_write_shape(const Shape& shape, unsigned* out) {
  write_shape<<<shape.grid, shape.block, shape.shared_bytes, shape.stream>>>(out);
}

const void* counter_symbol() { return &counter; }
const void* factors_symbol() { return &factors; }
int managed_counter_value() { return managed_counter; }
void launch_use_variables(float* out) { use_variables<<<1, 1>>>(out); }

void launch_count_down(cudaStream_t stream, int* values, cudaGraphConditionalHandle handle) {
  count_down<<<1, 1, 0, stream>>>(values, handle);
}

void launch_append_digit(cudaStream_t stream, unsigned long long* number, unsigned digit) {
  append_digit<<<1, 1, 0, stream>>>(number, digit);
}

void launch_add(cudaStream_t stream, int* values, int index, int addend) {
  add<<<1, 1, 0, stream>>>(values, index, addend);
}

void launch_sum(cudaStream_t stream, int* values, int count) {
  sum<<<1, 1, 0, stream>>>(values, count);
}

}  // namespace slipstream::runtime_test
