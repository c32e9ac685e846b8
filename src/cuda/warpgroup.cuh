// Tensor-core products of a warpgroup: four warps that start at a multiple of four.
#pragma once

#include <cstdint>

#include "cuda/shared_memory.cuh"
#include "cuda/tensor_core.cuh"

namespace slipstream::cuda {

// The second operand of multiply_64: 128 x 64 e4m3 codes in shared memory, in pieces of 16 rows of a
// column: eight neighboring ones are a core matrix of wgmma.
struct Columns64 {
  uint4 pieces[4][2][64];  // [32 rows][16 of them][column]
};

// A warp's part of the products: of columns 8 i to 8 i + 7, what m16n8k32 gives.
using Products64 = float[8][4];

// d = a b by multiply_fp8 alone, for architectures without wgmma.
__device__ __forceinline__ void multiply_64_by_warps(Products64& d, const uint4 (&a)[4],
                                                     const Columns64& b) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int tile = 0; tile < 8; ++tile) {
#pragma unroll
    for (float& value : d[tile]) value = 0;
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      const auto word = [&](int half) {
        return (&b.pieces[step][half][tile * 8 + lane / 4].x)[lane % 4];
      };
      multiply_fp8(d[tile], a[step], word(0), word(1));
    }
  }
}

// Columns64 as multiply_64 takes them.
class Operand64 {
 public:
  __device__ __forceinline__ explicit Operand64(const Columns64& columns)
      : columns_(&columns), first_(shared_address(&columns) / 16 | kNextRows << 16) {
    asm("" : "+r"(first_));  // kept, not made anew for every product
  }

  __device__ __forceinline__ const Columns64& columns() const { return *columns_; }

  // The descriptor of 32 rows: where they begin; where the next 16 rows lie, and the next eight columns.
  __device__ __forceinline__ uint64_t descriptor(int step) const {
    constexpr uint64_t kNextColumns = 128 / 16;
    constexpr uint32_t kStep = sizeof(Columns64::pieces[0]) / 16;
    return first_ + step * kStep | kNextColumns << 32;
  }

 private:
  static constexpr uint32_t kNextRows = sizeof(Columns64::pieces[0][0]) / 16;

  const Columns64* columns_;
  uint32_t first_;
};

// d = a b: 64 x 128 e4m3 codes, of which each warp has 16 rows as operands of m16n8k32, times
// 128 x 64. The whole warpgroup calls it. Who wrote `b` has called publish_to_products() before the
// warpgroup synchronized with him.
__device__ __forceinline__ void multiply_64(Products64& d, const uint4 (&a)[4],
                                            const Operand64& b) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %52, 0;\n"
      "wgmma.fence.sync.aligned;\n"
      "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, "
      "%8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
      "%24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %48, add, 1, 1;\n"
      "setp.eq.b32 add, %52, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, "
      "%8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
      "%24, %25, %26, %27, %28, %29, %30, %31}, {%36, %37, %38, %39}, %49, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, "
      "%8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
      "%24, %25, %26, %27, %28, %29, %30, %31}, {%40, %41, %42, %43}, %50, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, "
      "%8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
      "%24, %25, %26, %27, %28, %29, %30, %31}, {%44, %45, %46, %47}, %51, add, 1, 1;\n"
      "wgmma.commit_group.sync.aligned;\n"
      "wgmma.wait_group.sync.aligned 0;\n"
      "}\n"
      : "=&f"(d[0][0]), "=&f"(d[0][1]), "=&f"(d[0][2]), "=&f"(d[0][3]), "=&f"(d[1][0]),
        "=&f"(d[1][1]), "=&f"(d[1][2]), "=&f"(d[1][3]), "=&f"(d[2][0]), "=&f"(d[2][1]),
        "=&f"(d[2][2]), "=&f"(d[2][3]), "=&f"(d[3][0]), "=&f"(d[3][1]), "=&f"(d[3][2]),
        "=&f"(d[3][3]), "=&f"(d[4][0]), "=&f"(d[4][1]), "=&f"(d[4][2]), "=&f"(d[4][3]),
        "=&f"(d[5][0]), "=&f"(d[5][1]), "=&f"(d[5][2]), "=&f"(d[5][3]), "=&f"(d[6][0]),
        "=&f"(d[6][1]), "=&f"(d[6][2]), "=&f"(d[6][3]), "=&f"(d[7][0]), "=&f"(d[7][1]),
        "=&f"(d[7][2]), "=&f"(d[7][3])
      : "r"(a[0].x), "r"(a[0].y), "r"(a[0].z), "r"(a[0].w), "r"(a[1].x), "r"(a[1].y), "r"(a[1].z),
        "r"(a[1].w), "r"(a[2].x), "r"(a[2].y), "r"(a[2].z), "r"(a[2].w), "r"(a[3].x), "r"(a[3].y),
        "r"(a[3].z), "r"(a[3].w), "l"(b.descriptor(0)), "l"(b.descriptor(1)), "l"(b.descriptor(2)),
        "l"(b.descriptor(3)), "n"(0)
      : "memory");
#else
  multiply_64_by_warps(d, a, b.columns());
#endif
}

// Eight columns of 256 e4m3 codes in shared memory: of 16 rows each column has 16 bytes, one column's after
// another's, and the next 16 rows lie `pitch` bytes on.
struct Columns8 {
  uint32_t first;
  uint32_t pitch;
};

// d[i] = a[i] b[i], two products by multiply_fp8 alone, for architectures without wgmma.
__device__ __forceinline__ void multiply_64_by_warps(float (&d)[2][4], const uint4 (&a)[2][4],
                                                     const Columns8 (&b)[2]) {
#pragma unroll
  for (int product = 0; product < 2; ++product) {
    uint32_t words = b[product].first + threadIdx.x % 32 * 4;
#pragma unroll
    for (float& value : d[product]) value = 0;
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      const uint32_t low = load_shared_4(words);
      multiply_fp8(d[product], a[product][step], low, load_shared_4(words + b[product].pitch));
      words += 2 * b[product].pitch;
    }
  }
}

// d[i] = a[i] b[i], two products of 64 x 128 e4m3 codes, of which each warp has 16 rows as operands of
// m16n8k32, times 128 x 8. The whole warpgroup calls it; who wrote `b`, see multiply_64.
__device__ __forceinline__ void multiply_64(float (&d)[2][4], const uint4 (&a)[2][4],
                                            const Columns8 (&b)[2]) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  const auto descriptor = [&](int product, int step) {
    const uint32_t low = b[product].first / 16 + step * (b[product].pitch / 8);
    return low | static_cast<uint64_t>(b[product].pitch / 16) << 16;
  };
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %48, 0;\n"
      "wgmma.fence.sync.aligned;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%0, %1, %2, %3}, "
      "{%8, %9, %10, %11}, %40, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%4, %5, %6, %7}, "
      "{%24, %25, %26, %27}, %44, add, 1, 1;\n"
      "setp.eq.b32 add, %48, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%0, %1, %2, %3}, "
      "{%12, %13, %14, %15}, %41, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%4, %5, %6, %7}, "
      "{%28, %29, %30, %31}, %45, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%0, %1, %2, %3}, "
      "{%16, %17, %18, %19}, %42, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%4, %5, %6, %7}, "
      "{%32, %33, %34, %35}, %46, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%0, %1, %2, %3}, "
      "{%20, %21, %22, %23}, %43, add, 1, 1;\n"
      "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%4, %5, %6, %7}, "
      "{%36, %37, %38, %39}, %47, add, 1, 1;\n"
      "wgmma.commit_group.sync.aligned;\n"
      "wgmma.wait_group.sync.aligned 0;\n"
      "}\n"
      : "=&f"(d[0][0]), "=&f"(d[0][1]), "=&f"(d[0][2]), "=&f"(d[0][3]), "=&f"(d[1][0]),
        "=&f"(d[1][1]), "=&f"(d[1][2]), "=&f"(d[1][3])
      : "r"(a[0][0].x), "r"(a[0][0].y), "r"(a[0][0].z), "r"(a[0][0].w), "r"(a[0][1].x),
        "r"(a[0][1].y), "r"(a[0][1].z), "r"(a[0][1].w), "r"(a[0][2].x), "r"(a[0][2].y),
        "r"(a[0][2].z), "r"(a[0][2].w), "r"(a[0][3].x), "r"(a[0][3].y), "r"(a[0][3].z),
        "r"(a[0][3].w), "r"(a[1][0].x), "r"(a[1][0].y), "r"(a[1][0].z), "r"(a[1][0].w),
        "r"(a[1][1].x), "r"(a[1][1].y), "r"(a[1][1].z), "r"(a[1][1].w), "r"(a[1][2].x),
        "r"(a[1][2].y), "r"(a[1][2].z), "r"(a[1][2].w), "r"(a[1][3].x), "r"(a[1][3].y),
        "r"(a[1][3].z), "r"(a[1][3].w), "l"(descriptor(0, 0)), "l"(descriptor(0, 1)),
        "l"(descriptor(0, 2)), "l"(descriptor(0, 3)), "l"(descriptor(1, 0)), "l"(descriptor(1, 1)),
        "l"(descriptor(1, 2)), "l"(descriptor(1, 3)), "n"(0)
      : "memory");
#else
  multiply_64_by_warps(d, a, b);
#endif
}

// Shows the products what the thread has stored to shared memory before.
__device__ __forceinline__ void publish_to_products() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Waits for `threads` threads of the CTA, which all name the same barrier, 1 to 15.
__device__ __forceinline__ void sync_threads(int barrier, int threads) {
  asm volatile("barrier.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

// Counts the calling thread among them without waiting.
__device__ __forceinline__ void arrive_threads(int barrier, int threads) {
  asm volatile("barrier.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

}  // namespace slipstream::cuda
