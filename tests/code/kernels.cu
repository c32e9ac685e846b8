// What the tests of the PTX and image readers read: declarations, calls and inline assembly of
// every kind.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cassert>
#include <cstdio>

struct alignas(16) Settings {
  int count;
  float scale;
  char name[3];
  double weights[3];
};

__constant__ float table[4] = {1, 2, 3, 4};
__device__ int counter = 7;
__device__ int* counter_address = &counter;
__device__ Settings defaults = {1, 2.f, {'a', 'b', 'c'}, {1, 2, 3}};

__device__ __noinline__ float add_one(float x) { return x + 1; }
__device__ __noinline__ float triple(float x) { return x * 3; }
using Unary = float (*)(float);
__device__ Unary functions[2] = {add_one, triple};

extern "C" __global__ void waits_for_its_predecessor(float* data) {
  asm volatile("griddepcontrol.wait;" ::: "memory");
  data[threadIdx.x] *= 2;
}

extern "C" __global__ void __launch_bounds__(128, 2) prints(const Settings settings, int n) {
  printf("%d %f\n", settings.count, settings.scale * table[n & 3]);
  assert(n < 5);
}

extern "C" __global__ void calls_through_a_table(float* data, int which) {
  data[0] = functions[which](data[1]) + sinf(data[2]) + *counter_address;
}

extern "C" __global__ void keeps_an_array(int* data, int n) {
  int local[64];
  for (int i = 0; i < 64; ++i) {
    local[i] = data[i] + defaults.count;
  }
  data[0] = local[n];
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) nests_assembly(float* data) {
  asm volatile(
      "{.reg.b32 a, b; .reg .pred q; mov.b32 a, %0; { .reg.b32 a; mov.b32 a, 1; }"
      " setp.eq.u32 q, a, 2; LOOP: @q bra LOOP; }"
      :
      : "r"(threadIdx.x)
      : "memory");
  extern __shared__ float shared[];
  shared[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[threadIdx.x] = shared[threadIdx.x ^ 1];
}

extern "C" __global__ void converts(__half2* halves, __nv_bfloat162* floats,
                                    __nv_fp8x2_e4m3* codes) {
  halves[0] = __hfma2(halves[1], halves[2], halves[3]);
  floats[0] = __hfma2(floats[1], floats[2], floats[3]);
  codes[0] = __nv_fp8x2_e4m3(__half22float2(halves[3]));
  atomicAdd(halves, halves[7]);
}
