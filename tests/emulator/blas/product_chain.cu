// A kernel writes a matrix that cuBLAS multiplies, in another stream. With "ordered" an event orders the two; with
// "unordered" nothing does, which the race check must tell.
#include <cstring>

#include "cublas.h"
#include "emulator/programs/program.h"

constexpr int kSize = 16;

__global__ void fill(float* matrix) {
  matrix[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<float>(blockIdx.x);
}

__global__ void add_one(float* matrix) { matrix[blockIdx.x * blockDim.x + threadIdx.x] += 1; }

int main(int, char** arguments) {
  const bool ordered = std::strcmp(arguments[1], "ordered") == 0;
  auto* const matrix = device_array<float>(kSize * kSize);
  auto* const product = device_array<float>(kSize * kSize);
  cudaStream_t writer = nullptr;
  cudaStream_t multiplier = nullptr;
  cudaEvent_t written = nullptr;
  check(cudaStreamCreateWithFlags(&writer, cudaStreamNonBlocking), "stream");
  check(cudaStreamCreateWithFlags(&multiplier, cudaStreamNonBlocking), "stream");
  check(cudaEventCreate(&written), "event");
  cublasHandle_t handle = nullptr;
  expect(cublasCreate_v2(&handle) == CUBLAS_STATUS_SUCCESS, "cublasCreate");
  expect(cublasSetStream_v2(handle, multiplier) == CUBLAS_STATUS_SUCCESS, "cublasSetStream");

  fill<<<kSize, kSize, 0, writer>>>(matrix);
  check(cudaEventRecord(written, writer), "record");
  if (ordered) check(cudaStreamWaitEvent(multiplier, written), "wait");
  const float one = 1;
  const float zero = 0;
  // Each column has one value, its number: so has each of the product, 120 times its number.
  expect(cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, kSize, kSize, kSize, &one, matrix, kSize,
                        matrix, kSize, &zero, product, kSize) == CUBLAS_STATUS_SUCCESS,
         "cublasSgemm");
  add_one<<<kSize, kSize, 0, multiplier>>>(product);
  check(cudaStreamSynchronize(multiplier), "synchronize");
  if (ordered) {
    const std::vector<float> values = to_host(product, kSize * kSize);
    for (int i = 0; i < kSize * kSize; ++i) {
      expect(values[i] == static_cast<float>(i / kSize * 120 + 1), "product");
    }
  }
  cublasDestroy_v2(handle);
  return 0;
}
