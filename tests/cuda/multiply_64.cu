#include "cuda/warpgroup.cuh"
#include "slipstream/error.h"
#include "tests/cuda/multiply_64.h"

namespace slipstream::cuda::test {
namespace {

constexpr int kRowBytes = 128;

// The calling lane's part of the rows, as four operands of m16n8k32.
__device__ void read_rows(const uint8_t* rows, uint4 (&operands)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
  for (int step = 0; step < 4; ++step) {
    const uint8_t* low = rows + row * kRowBytes + step * 32 + lane % 4 * 4;
    const uint8_t* high = low + 8 * kRowBytes;
    const auto word = [](const uint8_t* at) { return *reinterpret_cast<const uint32_t*>(at); };
    operands[step] = {word(low), word(high), word(low + 16), word(high + 16)};
  }
}

// The calling lane's part of the products with eight columns.
__device__ void store_tile(const float (&result)[4], int tile, float* products) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
  for (int i = 0; i < 4; ++i) {
    products[(row + i / 2 * 8) * 64 + tile * 8 + lane % 4 * 2 + i % 2] = result[i];
  }
}

__global__ void multiply(const uint8_t* rows, const uint8_t* columns, float* products,
                         bool by_warps) {
  __shared__ Columns64 shared;
  for (int i = static_cast<int>(threadIdx.x); i < 4 * 2 * 64; i += 128) {
    (&shared.pieces[0][0][0])[i] =
        *reinterpret_cast<const uint4*>(columns + i % 64 * kRowBytes + i / 64 * 16);
  }
  publish_to_products();
  __syncthreads();
  uint4 operands[4];
  read_rows(rows, operands);
  Products64 result;
  if (by_warps) {
    multiply_64_by_warps(result, operands, shared);
  } else {
    cuda::multiply_64(result, operands, Operand64(shared));
  }
  for (int tile = 0; tile < 8; ++tile) store_tile(result[tile], tile, products);
}

__global__ void multiply_by_8(const uint8_t* rows, const uint8_t* columns, float* products,
                              bool by_warps) {
  constexpr int kPitch = 65 * 16;  // not a multiple of a core matrix
  __shared__ __align__(16) unsigned char shared[8 * kPitch];
  for (int i = static_cast<int>(threadIdx.x); i < 8 * 64; i += 128) {
    *reinterpret_cast<uint4*>(shared + i / 64 * kPitch + i % 64 * 16) =
        *reinterpret_cast<const uint4*>(columns + i % 64 * kRowBytes + i / 64 * 16);
  }
  publish_to_products();
  __syncthreads();
  uint4 operands[2][4];
  read_rows(rows, operands[0]);
  read_rows(rows, operands[1]);
  for (int tile = 0; tile < 8; tile += 2) {
    const uint32_t first = shared_address(shared) + tile * 8 * 16;
    const Columns8 both[2] = {{first, kPitch}, {first + 8 * 16, kPitch}};
    float result[2][4];
    if (by_warps) {
      multiply_64_by_warps(result, operands, both);
    } else {
      cuda::multiply_64(result, operands, both);
    }
    for (int i = 0; i < 2; ++i) store_tile(result[i], tile + i, products);
  }
}

void require_done() {
  check_cuda(cudaGetLastError(), "launch of a product");
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

}  // namespace

void multiply_64(const uint8_t* rows, const uint8_t* columns, float* products, bool by_warps) {
  multiply<<<1, 128>>>(rows, columns, products, by_warps);
  require_done();
}

void multiply_64_by_8(const uint8_t* rows, const uint8_t* columns, float* products, bool by_warps) {
  multiply_by_8<<<1, 128>>>(rows, columns, products, by_warps);
  require_done();
}

}  // namespace slipstream::cuda::test
