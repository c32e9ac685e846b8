// Lanes that prefetch different boxes of a tensor take turns, since the instruction takes its coordinates
// from uniform registers: machine code goes round until every lane has had its turn, by a predicate that
// R2UR writes. The check once took the lanes never to leave that loop, so that the mbarrier at which they
// arrive ordered nobody: 32 false errors on kernels of FlashAttention-3.
#include "chain.cuh"

constexpr int kWarp = 32;

// `next` is of what the next kernel reads.
__global__ void __launch_bounds__(2 * kWarp)
    gather(const float* in, const int* places, const __grid_constant__ CUtensorMap next,
           float* scales, float* out) {
  __shared__ float tile[kWarp];
  __shared__ unsigned long long full;
  const unsigned barrier = static_cast<unsigned>(__cvta_generic_to_shared(&full));
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(1) : "memory");
  }
  __syncthreads();
  const unsigned lane = threadIdx.x % kWarp;
  if (threadIdx.x < kWarp) {
    cudaGridDependencySynchronize();
    const int place = places[lane];
    if (lane == 0) {
      asm volatile("cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%0, {%1, %2}];" ::"l"(&next),
                   "r"(place), "r"(0)
                   : "memory");
    }
    tile[lane] = in[place];
    __syncwarp();
    if (lane == 0) {
      asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
    }
  } else {
#ifdef REPAIRED
    corpus::wait_for_phase(barrier, 0);
    const float scale = scales[lane];
#else
    const float scale = scales[lane];  // finds R2, race
    corpus::wait_for_phase(barrier, 0);
#endif
    out[lane] = scale * tile[lane];
  }
}

CUtensorMap map_of(float* memory) {
  void* encode = nullptr;
  cudaDriverEntryPointQueryResult found{};
  corpus::require(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &encode, 12000,
                                                   cudaEnableDefault, &found),
                  "cudaGetDriverEntryPointByVersion");
  CUtensorMap map{};
  const cuuint64_t size[] = {kWarp, 1};
  const cuuint64_t stride[] = {kWarp * sizeof(float)};
  const cuuint32_t box[] = {4, 1};
  const cuuint32_t steps[] = {1, 1};
  const CUresult result = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(encode)(
      &map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2, memory, size, stride, box, steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  corpus::require(result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue,
                  "cuTensorMapEncodeTiled");
  return map;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kWarp, 1.0F);
  int* places = corpus::device_array(kWarp, 4);
  float* scales = corpus::device_array(kWarp, 0.0F);
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, scales, 2.0F);
  corpus::launch(stream, true, gather, 1, 2 * kWarp, in, places, map_of(in), scales, out);
  return corpus::count_wrong(stream, out, kWarp, 2.0F);
}
