// printf and assert in a kernel.
#undef NDEBUG  // a release build would leave the assertion out
#include <cassert>
#include <cstring>

#include "program.h"

__global__ void talk(const char* word, int number, double fraction) {
  if (threadIdx.x == 1)
    printf("%s %d %.3f %5u|%-4x|%c %lld\n", word, number, fraction, 42U, 255U, '!', 1LL << 40);
}

__global__ void demand(int limit) { assert(static_cast<int>(threadIdx.x) < limit); }

__device__ char word[] = "device";

int main() {
  void* text = nullptr;
  check(cudaGetSymbolAddress(&text, word), "symbol");
  talk<<<1, 32>>>(static_cast<const char*>(text), -7, 2.5);
  check(cudaDeviceSynchronize(), "printf");
  demand<<<1, 32>>>(32);
  check(cudaDeviceSynchronize(), "an assertion that holds");
  demand<<<1, 32>>>(31);
  expect(cudaDeviceSynchronize() == cudaErrorAssert, "an assertion that does not hold");
  expect(cudaDeviceSynchronize() == cudaErrorAssert, "the error stays");
  void* pointer = nullptr;
  expect(cudaMalloc(&pointer, 16) == cudaErrorAssert, "the error is in every answer");
}
