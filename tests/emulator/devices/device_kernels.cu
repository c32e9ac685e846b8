#include "device_kernels.h"
#include "words.cuh"

namespace slipstream::devices_test {
namespace {

__device__ int variable = 7;

__global__ void store_word(unsigned* word, unsigned value) { store(word, value); }

__global__ void wait(const unsigned* word, unsigned least, unsigned* seen) {
  unsigned value = load(word);
  while (value < least) value = load(word);
  *seen = value;
}

__global__ void wait_at_most(const unsigned* word, unsigned least, unsigned* seen,
                             unsigned long long nanoseconds) {
  unsigned long long start = 0;
  unsigned long long now = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
  do {
    const unsigned value = load(word);
    if (value >= least) {
      *seen = value;
      return;
    }
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - start < nanoseconds);
  *seen = ~0U;
}

__global__ void wait_together(const unsigned* word, unsigned least, unsigned* seen) {
  __shared__ unsigned value;
  do {
    if (threadIdx.x == 0) value = load(word);
    __syncthreads();
    const bool done = value >= least;
    __syncthreads();
    if (done) break;
  } while (true);
  seen[threadIdx.x] = value;
}

__global__ void wait_and_glance(const unsigned* word, unsigned least, const unsigned* glanced_at,
                                unsigned* seen) {
  constexpr int kGlances = 8;
  if (threadIdx.x < 32) {
    while (load(word) < least) {
    }
  } else {
    for (int i = 0; i < kGlances && load(glanced_at) == 0; ++i) {
    }
  }
  __syncthreads();
  if (threadIdx.x == 0) *seen = load(word);
}

__global__ void ping_pong(unsigned* mine, unsigned* theirs, unsigned rounds, bool begins) {
  for (unsigned round = 1; round <= rounds; ++round) {
    if (begins) store(theirs, round);
    while (load(mine) < round) {
    }
    if (!begins) store(theirs, round);
  }
}

__global__ void lanes_in_one_warp(unsigned* word, unsigned* seen) {
  if (threadIdx.x == 0) {
    unsigned value = 0;
    while ((value = load(word)) == 0) {
    }
    *seen = value;
  } else if (threadIdx.x == 31) {
    store(word, 5);
  }
}

__global__ void locked_count(unsigned* lock, unsigned* count, unsigned rounds) {
  for (unsigned round = 0; round < rounds; ++round) {
    while (atomicCAS_system(lock, 0U, 1U) != 0U) {
    }
    __threadfence_system();
    *static_cast<volatile unsigned*>(count) = *static_cast<volatile unsigned*>(count) + 1;
    __threadfence_system();
    atomicExch_system(lock, 0U);
  }
}

__global__ void add_to_variable(int value) { variable += value; }

__global__ void with_dynamic_shared_memory() {
  extern __shared__ int memory[];
  memory[threadIdx.x] = 0;
}

}  // namespace

void launch_store(cudaStream_t stream, unsigned* word, unsigned value) {
  store_word<<<1, 1, 0, stream>>>(word, value);
}
void launch_wait(cudaStream_t stream, const unsigned* word, unsigned least, unsigned* seen) {
  wait<<<1, 1, 0, stream>>>(word, least, seen);
}
void launch_wait_at_most(cudaStream_t stream, const unsigned* word, unsigned least, unsigned* seen,
                         unsigned long long nanoseconds) {
  wait_at_most<<<1, 1, 0, stream>>>(word, least, seen, nanoseconds);
}
void launch_wait_together(cudaStream_t stream, const unsigned* word, unsigned least,
                          unsigned* seen) {
  wait_together<<<1, 128, 0, stream>>>(word, least, seen);
}
void launch_wait_and_glance(cudaStream_t stream, const unsigned* word, unsigned least,
                            const unsigned* glanced_at, unsigned* seen) {
  wait_and_glance<<<1, 64, 0, stream>>>(word, least, glanced_at, seen);
}
void launch_ping_pong(cudaStream_t stream, unsigned* mine, unsigned* theirs, unsigned rounds,
                      bool begins) {
  ping_pong<<<1, 1, 0, stream>>>(mine, theirs, rounds, begins);
}
void launch_lanes_in_one_warp(cudaStream_t stream, unsigned* word, unsigned* seen) {
  lanes_in_one_warp<<<1, 32, 0, stream>>>(word, seen);
}
void launch_locked_count(cudaStream_t stream, unsigned* lock, unsigned* count, unsigned rounds) {
  locked_count<<<1, 1, 0, stream>>>(lock, count, rounds);
}
void launch_add_to_variable(cudaStream_t stream, int value) {
  add_to_variable<<<1, 1, 0, stream>>>(value);
}
int variable_on_current_device() {
  int value = 0;
  return cudaMemcpyFromSymbol(&value, variable, sizeof(value)) == cudaSuccess ? value : -1;
}

const void* kernel_with_dynamic_shared_memory() {
  return reinterpret_cast<const void*>(&with_dynamic_shared_memory);
}
cudaError_t launch_with_dynamic_shared_memory(cudaStream_t stream, int bytes) {
  with_dynamic_shared_memory<<<1, 32, bytes, stream>>>();
  return cudaGetLastError();
}

}  // namespace slipstream::devices_test
