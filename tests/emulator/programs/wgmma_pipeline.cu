// A product of matrices by one warpgroup: cp.async fills a ring of buffers in the 128-byte swizzle, and wgmma reads one
// of them while the next are filled. The first argument chooses the elements and where A comes from; with a second one,
// "unwaited", a buffer is filled again although the product that reads it has not been waited for.
#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include <cstdint>
#include <string>

#include "program.h"

constexpr int kThreads = 128;
constexpr int kRows = 64;
constexpr int kColumns = 32;
constexpr int kSums = kRows * kColumns / kThreads;  // of a thread
constexpr int kStages = 3;
constexpr int kTiles = 7;       // along the depth
constexpr int kLine = 128;      // bytes of a row in a tile
constexpr int kChunk = 16;      // bytes of one copy
constexpr int kStepBytes = 32;  // of the depth, for one instruction

struct Stage {
  alignas(1024) unsigned char a[kRows * kLine];
  alignas(1024) unsigned char b[kColumns * kLine];
};

template <class T>
__host__ __device__ constexpr int depth() {
  return kTiles * kLine / static_cast<int>(sizeof(T));
}

// --- PTX.

__device__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// Of a matrix in the 128-byte swizzle whose rows follow each other.
__device__ uint64_t descriptor(const void* matrix) {
  constexpr uint64_t kSwizzle128 = 1;
  return (shared_address(matrix) & 0x3ffffU) >> 4U | uint64_t{8 * kLine / 16} << 32U |
         kSwizzle128 << 62U;
}

__device__ void fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kPending>
__device__ void wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

__device__ void multiply(float (&d)[kSums], uint64_t a, uint64_t b, __nv_bfloat16 /*element*/) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, %16, %17, 1, 1, 1, "
      "0, 0;"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]),
        "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]),
        "+f"(d[14]), "+f"(d[15])
      : "l"(a), "l"(b));
}
__device__ void multiply(float (&d)[kSums], uint64_t a, uint64_t b, __nv_fp8_e4m3 /*element*/) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n32k32.f32.e4m3.e4m3 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, %16, %17, 1, 1, 1;"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]),
        "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]),
        "+f"(d[14]), "+f"(d[15])
      : "l"(a), "l"(b));
}
__device__ void multiply(float (&d)[kSums], const unsigned (&a)[4], uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, {%16, %17, %18, "
      "%19}, %20, 1, 1, 1, 0;"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]),
        "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]),
        "+f"(d[14]), "+f"(d[15])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

// --- Copies.

// One tile of `rows` rows, each of kTiles tiles in global memory, into the swizzle.
__device__ void copy_tile(unsigned char* to, const void* from, int tile, int rows) {
  constexpr int kChunks = kLine / kChunk;
  for (int i = static_cast<int>(threadIdx.x); i < rows * kChunks; i += kThreads) {
    const int row = i / kChunks;
    const int chunk = i % kChunks;
    const unsigned place = shared_address(to) + row * kLine + (chunk ^ row % 8) * kChunk;
    const auto* const source =
        static_cast<const unsigned char*>(from) + (row * kTiles + tile) * kLine + chunk * kChunk;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(place),
                 "l"(__cvta_generic_to_global(source))
                 : "memory");
  }
}

__device__ void copy_stage(Stage& stage, const void* a, const void* b, int tile) {
  if (tile < kTiles) {
    copy_tile(stage.a, a, tile, kRows);
    copy_tile(stage.b, b, tile, kColumns);
  }
  asm volatile("cp.async.commit_group;" ::: "memory");  // an empty group where nothing is left
}

// --- Kernels.

// The accumulators in row-major order.
__device__ void store(const float (&d)[kSums], float* out) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
  for (int i = 0; i < kSums; ++i) {
    const int column = i / 4 * 8 + lane % 4 * 2 + i % 2;
    out[(row + i % 4 / 2 * 8) * kColumns + column] = d[i];
  }
}

template <class T, bool kWaits>
__global__ void __launch_bounds__(kThreads) multiply_in_stages(const T* a, const T* b, float* out) {
  __shared__ Stage stages[kStages];
  float d[kSums] = {};
  for (int tile = 0; tile < kStages - 1; ++tile) copy_stage(stages[tile], a, b, tile);
  for (int tile = 0; tile < kTiles; ++tile) {
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    Stage& stage = stages[tile % kStages];
    fence();
    for (int step = 0; step < kLine; step += kStepBytes) {
      multiply(d, descriptor(stage.a + step), descriptor(stage.b + step), T{});
    }
    commit();
    if constexpr (kWaits)
      wait<1>();  // for the product of the tile before, whose buffer is filled now
    __syncthreads();
    copy_stage(stages[(tile + kStages - 1) % kStages], a, b, tile + kStages - 1);
  }
  wait<0>();
  store(d, out);
}

__global__ void __launch_bounds__(kThreads)
    multiply_from_registers(const __nv_bfloat16* a, const __nv_bfloat16* b, float* out) {
  __shared__ Stage stage;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
  float d[kSums] = {};
  for (int tile = 0; tile < kTiles; ++tile) {
    copy_stage(stage, a, b, tile);
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    unsigned fragments[kLine / kStepBytes][4];
    for (int step = 0; step < kLine / kStepBytes; ++step) {
      for (int r = 0; r < 4; ++r) {
        const int k = tile * kLine / 2 + step * 16 + r / 2 * 8 + lane % 4 * 2;
        fragments[step][r] =
            *reinterpret_cast<const unsigned*>(&a[(row + r % 2 * 8) * depth<__nv_bfloat16>() + k]);
      }
    }
    fence();
    for (int step = 0; step < kLine / kStepBytes; ++step)
      multiply(d, fragments[step], descriptor(stage.b + step * kStepBytes));
    commit();
    wait<0>();
    __syncthreads();
  }
  store(d, out);
}

// --- The host.

// Small integers: every sum is exact.
template <class T>
std::vector<T> numbers(int rows, unsigned seed) {
  std::vector<T> values;
  for (const unsigned value : scrambled(rows * depth<T>() + seed)) {
    values.push_back(T(static_cast<float>(value % 5) - 2.0F));
  }
  values.erase(values.begin(), values.begin() + seed);
  return values;
}

template <class T, class Kernel>
void run(Kernel kernel) {
  const std::vector<T> a = numbers<T>(kRows, 0);
  const std::vector<T> b = numbers<T>(kColumns, 17);
  std::vector<float> expected(kRows * kColumns);
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      float sum = 0;
      for (int k = 0; k < depth<T>(); ++k) {
        sum += static_cast<float>(a[row * depth<T>() + k]) *
               static_cast<float>(b[column * depth<T>() + k]);
      }
      expected[row * kColumns + column] = sum;
    }
  }
  float* out = device_array<float>(expected.size());
  kernel<<<1, kThreads>>>(to_device(a), to_device(b), out);
  check(cudaGetLastError(), "launch");
  expect(to_host(out, expected.size()) == expected, "product");
}

int main(int argc, char** argv) {
  const std::string elements = argc > 1 ? argv[1] : "";
  const bool waits = argc < 3 || argv[2] != std::string("unwaited");
  if (elements == "bf16") {
    run<__nv_bfloat16>(waits ? multiply_in_stages<__nv_bfloat16, true>
                             : multiply_in_stages<__nv_bfloat16, false>);
  } else if (elements == "e4m3") {
    run<__nv_fp8_e4m3>(waits ? multiply_in_stages<__nv_fp8_e4m3, true>
                             : multiply_in_stages<__nv_fp8_e4m3, false>);
  } else {
    run<__nv_bfloat16>(multiply_from_registers);
  }
  return 0;
}
