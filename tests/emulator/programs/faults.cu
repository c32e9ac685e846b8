// One deliberately broken kernel for everything that the emulated device detects, and the same
// kernel repaired:
//
//   faults CASE broken|repaired
//
// prints the name of the error that the program saw. The statement at fault is the one marked BUG:
// CASE; the test looks the marks up in this file.
#include <cstring>
#include <string>

#include "program.h"

constexpr int kThreads = 64;

template <bool kBroken>
__global__ void out_of_bounds(int* values, int count) {
  const int i = static_cast<int>(threadIdx.x) + (kBroken ? 1 : 0);
  if (i < count + 1) values[i] = 7;  // BUG: out_of_bounds
}

template <bool kBroken>
__global__ void misaligned(char* bytes) {
  const int offset = static_cast<int>(threadIdx.x) * 4 + (kBroken ? 2 : 0);
  *reinterpret_cast<int*>(bytes + offset) = 7;  // BUG: misaligned
}

__global__ void use_after_free(const int* values, int* out) {
  out[threadIdx.x] = values[threadIdx.x];  // BUG: use_after_free
}

template <bool kBroken>
__global__ void uninitialized(const int* values, int* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = kBroken || i != 5 ? values[i] : 0;  // BUG: uninitialized
}

template <bool kBroken>
__global__ void shared_out_of_bounds(int* out) {
  extern __shared__ int words[];
  words[threadIdx.x + (kBroken ? 1 : 0)] = 7;  // BUG: shared_out_of_bounds
  __syncthreads();
  out[threadIdx.x] = kBroken ? 0 : words[threadIdx.x];
}

// A barrier for two warps that only one of them reaches.
template <bool kBroken>
__global__ void deadlock(int* out) {
  const bool reaches_barrier = !kBroken || threadIdx.x < 32;
  if (reaches_barrier) {
    asm volatile("bar.sync 1, 64;" ::: "memory");  // BUG: deadlock
  }
  out[threadIdx.x] = 7;
}

// Half of each warp waits at the barrier of the block, the other half for the first one.
// The exit of a whole warp is no fault.
template <bool kBroken>
__global__ void exited_barrier(int* out) {
  if (threadIdx.x < (kBroken ? 5 : 32)) return;
  __syncthreads();  // BUG: exited_barrier
  out[threadIdx.x] = 1;
}

template <bool kBroken>
__global__ void exited_shuffle(int* out) {
  if (threadIdx.x % 32 >= 16) return;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  out[threadIdx.x] =
      __shfl_sync(0xffffffff, lane, kBroken ? lane + 16 : (lane + 1) % 16);  // BUG: exited_shuffle
}

template <bool kBroken>
__global__ void divergent_barrier(int* out) {
  if (!kBroken || threadIdx.x % 32 < 16) {
    __syncthreads();  // BUG: divergent_barrier
  }
  __syncwarp();
  out[threadIdx.x] = 7;
}

template <bool kBroken>
__global__ void trap(int* out) {
  if (kBroken && threadIdx.x == 3) {
    __trap();  // BUG: trap
  }
  out[threadIdx.x] = 7;
}

// The access itself is in a function that is inlined into the kernel.
__device__ __forceinline__ void store(int* values, int i) {
  values[i] = 7;  // BUG: inlined
}

template <bool kBroken>
__global__ void inlined(int* values) {
  store(values, static_cast<int>(threadIdx.x) + (kBroken ? 1 : 0));  // CALL: inlined
}

__global__ void large_shared(int* out) {
  extern __shared__ int words[];
  words[threadIdx.x] = 7;
  out[threadIdx.x] = words[threadIdx.x];
}

void run_use_after_free(bool broken, int* out) {
  int* values = to_device(std::vector<int>(kThreads, 1));
  if (broken) check(cudaFree(values), "free");
  use_after_free<<<1, kThreads>>>(values, out);
}

void run_large_shared(bool broken, int* out) {
  constexpr int kBytes = 64 * 1024;
  if (!broken) {
    check(cudaFuncSetAttribute(large_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
          "attribute");
  }
  large_shared<<<1, kThreads, kBytes>>>(out);
}

void run(const std::string& name, bool broken) {
  int* out = device_array<int>(kThreads);
  const int bytes = kThreads * static_cast<int>(sizeof(int));
  if (name == "out_of_bounds") {
    (broken ? out_of_bounds<true> : out_of_bounds<false>)<<<1, kThreads>>>(out, kThreads);
  } else if (name == "misaligned") {
    (broken ? misaligned<true>
            : misaligned<false>)<<<1, kThreads - 1>>>(reinterpret_cast<char*>(out));
  } else if (name == "use_after_free") {
    run_use_after_free(broken, out);
  } else if (name == "uninitialized") {
    int* values = device_array<int>(kThreads);
    check(cudaMemset(values, 0, 5 * sizeof(int)), "first part");
    check(cudaMemset(values + 6, 0, bytes - 6 * sizeof(int)), "second part");
    (broken ? uninitialized<true> : uninitialized<false>)<<<1, kThreads>>>(values, out);
  } else if (name == "shared_out_of_bounds") {
    (broken ? shared_out_of_bounds<true>
            : shared_out_of_bounds<false>)<<<1, kThreads, bytes>>>(out);
  } else if (name == "deadlock") {
    (broken ? deadlock<true> : deadlock<false>)<<<1, kThreads>>>(out);
  } else if (name == "exited_barrier") {
    (broken ? exited_barrier<true> : exited_barrier<false>)<<<1, kThreads>>>(out);
  } else if (name == "exited_shuffle") {
    (broken ? exited_shuffle<true> : exited_shuffle<false>)<<<1, kThreads>>>(out);
  } else if (name == "divergent_barrier") {
    (broken ? divergent_barrier<true> : divergent_barrier<false>)<<<1, kThreads>>>(out);
  } else if (name == "trap") {
    (broken ? trap<true> : trap<false>)<<<1, kThreads>>>(out);
  } else if (name == "inlined") {
    (broken ? inlined<true> : inlined<false>)<<<1, kThreads>>>(out);
  } else if (name == "large_shared") {
    run_large_shared(broken, out);
  } else if (name == "illegal_shape") {
    large_shared<<<1, broken ? 1025 : kThreads, bytes * 16>>>(out);
  } else {
    expect(false, "CASE is one of those in the source");
  }
}

int main(int argc, char** argv) {
  expect(argc == 3, "usage: faults CASE broken|repaired");
  run(argv[1], std::strcmp(argv[2], "broken") == 0);
  const cudaError_t launch = cudaGetLastError();
  const cudaError_t finish = cudaDeviceSynchronize();
  std::printf("launch %s, finish %s\n", cudaGetErrorName(launch), cudaGetErrorName(finish));
  return 0;
}
