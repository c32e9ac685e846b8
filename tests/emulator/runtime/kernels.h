// The kernels of the runtime's tests, and the launches of them that need nvcc: `<<<...>>>`. The tests themselves are host
// code, which nvcc would take several times as long to compile.
#pragma once

#include <cuda_runtime.h>

namespace slipstream::runtime_test {

// --- Parameters, shapes, shared memory.

struct Mixed {
  char letter;
  double number;
  short small[3];
};

struct Shape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
};

__global__ void take_parameters(char a, Mixed mixed, const int* in, short b, long long* out);
__global__ void use_shared(int* out);
__global__ void bounded(int* out);  // __launch_bounds__(128)

void launch_take_parameters(char a, const Mixed& mixed, const int* in, short b, long long* out);
void launch_use_shared(const Shape& shape, int* out);
void launch_write_shape(const Shape& shape, unsigned* out);

// --- Variables of the module: `counter` is 5 and `factors` are 1, 2, 3, 4 at first.

const void* counter_symbol();
const void* factors_symbol();
int managed_counter_value();
// Writes factors[3] + counter, and counts both counters up.
void launch_use_variables(float* out);

// --- Order in streams and graphs.

__global__ void add(int* values, int index, int addend);  // values[index] += addend
__global__ void sum(int* values, int count);              // values[count] += the ones before it

// For conditional graph nodes. Counts values[0] down and sets the condition to it; sets the condition to values[0].
__global__ void count_down(int* values, cudaGraphConditionalHandle handle);
__global__ void set_condition(const int* values, cudaGraphConditionalHandle handle);

void launch_count_down(cudaStream_t stream, int* values, cudaGraphConditionalHandle handle);
void launch_append_digit(cudaStream_t stream, unsigned long long* number, unsigned digit);
void launch_add(cudaStream_t stream, int* values, int index, int addend);
void launch_sum(cudaStream_t stream, int* values, int count);

// --- Order between kernels launched with programmatic stream serialization.

inline constexpr int kThreads = 64;
inline constexpr int kBlocks = 3;
inline constexpr int kCount = kBlocks * kThreads;

// Which of these a kernel does, in this order.
struct Step {
  bool wait_first;
  bool trigger_first;
  bool publish;  // fence and barrier after the write, then trigger
  bool wait_last;
};

__global__ void write(int* data, int value, Step step);
// Copies in[i], from the neighboring block, to out[i].
__global__ void read(const volatile int* in, int* out, Step step);
__global__ void pass(Step step);

}  // namespace slipstream::runtime_test
