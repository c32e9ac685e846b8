// The kernels whose emulation bench/emulator measures: bf16 router GEMV and an fp8 matrix product.
#include <cuda_bf16.h>

#include <cstdint>

// One warp for each row of `weights`; every lane reads 16 bytes of a row at a time.
extern "C" __global__ void gemv_bf16(const __nv_bfloat16* weights, const __nv_bfloat16* vector,
                                     float* result, int columns) {
  const int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  float sum = 0;
  for (int column = lane * 8; column < columns; column += 256) {
    const uint4 w = *reinterpret_cast<const uint4*>(weights + size_t(row) * columns + column);
    const uint4 x = *reinterpret_cast<const uint4*>(vector + column);
    const auto* const w_pairs = reinterpret_cast<const __nv_bfloat162*>(&w);
    const auto* const x_pairs = reinterpret_cast<const __nv_bfloat162*>(&x);
    for (int i = 0; i < 4; ++i) {
      const float2 a = __bfloat1622float2(w_pairs[i]);
      const float2 b = __bfloat1622float2(x_pairs[i]);
      sum = fmaf(a.x, b.x, sum);
      sum = fmaf(a.y, b.y, sum);
    }
  }
  for (int offset = 16; offset > 0; offset /= 2) {
    sum += __shfl_xor_sync(0xffffffffU, sum, offset);
  }
  if (lane == 0) {
    result[row] = sum;
  }
}

// Each warp multiplies a 16 x 32 tile of a with 32 x 8 tiles of b, `steps` times, from registers.
extern "C" __global__ void mma_fp8(const uint32_t* a, const uint32_t* b, float* result, int steps) {
  const int lane = threadIdx.x % 32;
  float sum[4] = {0, 0, 0, 0};
  const uint32_t a0 = a[lane], a1 = a[lane + 32], a2 = a[lane + 64], a3 = a[lane + 96];
  const uint32_t b0 = b[lane], b1 = b[lane + 32];
  for (int step = 0; step < steps; ++step) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  }
  for (int i = 0; i < 4; ++i) {
    result[(blockIdx.x * 4 + i) * 32 + lane] = sum[i];
  }
}
