// Relocatable device code: kernels here use a function, variables and a function pointer of linked_part.cu.
#include "program.h"

extern __device__ int scaled(int value);
extern __device__ int table[4];
extern __constant__ int factor;
extern __device__ int (*chosen)(int);

static __device__ int own(int value) { return value + 1; }  // linked_part.cu has another one

__global__ void use_other_object(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = own(scaled(i)) + table[i % 4] * factor + chosen(i);
}

int main() {
  int* const out = device_array<int>(32);
  use_other_object<<<1, 32>>>(out);
  check(cudaDeviceSynchronize(), "launch");
  const auto found = to_host(out, 32);
  for (int i = 0; i < 32; ++i) {
    expect(found[i] == (10 * i + 100) + 1 + (i % 4 + 1) * 7 + (i - 5),
           "a value of the other object");
  }
  const int other[4] = {0, 0, 0, 0};
  check(cudaMemcpyToSymbol(table, other, sizeof(other)), "copy to a variable of the other object");
  use_other_object<<<1, 32>>>(out);
  expect(to_host(out, 32)[1] == 111 + 1 - 5, "the changed variable");
  return 0;
}
