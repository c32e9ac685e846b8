// What the exported functions do that exist for several types and sizes of integers: generate_api.py writes those. Each
// fills in the arguments that it has and calls one of these.
#pragma once

#include <optional>

#include "emulator/blas/context.h"

namespace slipstream::emulator::blas {

// The exported function, as it was called.
struct Routine {
  const char* name;
  cublasHandle_t handle;
  bool is_wide;  // indices have 64 bits
};

// A matrix or a vector; in a batch the first of several at a stride, or pointers to all of them, in device memory.
struct Operand {
  const char* name;
  const void* data = nullptr;
  cudaDataType type = CUDA_R_32F;
  int64_t step = 0;    // from column to column; of a vector, from element to element
  int64_t stride = 0;  // from one to the next of the batch
  bool is_array = false;
};

// C = alpha * op(A) * op(B) + beta * C.
struct Gemm {
  cublasOperation_t transa = CUBLAS_OP_N;
  cublasOperation_t transb = CUBLAS_OP_N;
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const void* alpha = nullptr;
  const void* beta = nullptr;
  std::optional<cudaDataType> scalar;          // of alpha and beta;
  std::optional<cublasComputeType_t> compute;  // each follows from the other
  int64_t batch_count = 1;
  cublasGemmAlgo_t algorithm = CUBLAS_GEMM_DEFAULT;  // there is but one
  Operand a{"A"};
  Operand b{"B"};
  Operand c{"C"};
};

// y = alpha * op(A) * x + beta * y.
struct Gemv {
  cublasOperation_t trans = CUBLAS_OP_N;
  int64_t m = 0;
  int64_t n = 0;
  const void* alpha = nullptr;
  const void* beta = nullptr;
  cudaDataType scalar = CUDA_R_32F;
  int64_t batch_count = 1;
  Operand a{"A"};
  Operand x{"x"};
  Operand y{"y"};
};

struct Vectors {
  int64_t n = 0;
  const void* alpha = nullptr;
  cudaDataType scalar = CUDA_R_32F;     // of alpha, or of the result
  cudaDataType execution = CUDA_R_32F;  // asked for; the types decide
  void* result = nullptr;
  Operand x{"x"};
  Operand y{"y"};
};

cublasStatus_t gemm(const Routine& routine, const Gemm& arguments) noexcept;
cublasStatus_t gemv(const Routine& routine, const Gemv& arguments) noexcept;

cublasStatus_t axpy(const Routine& routine, const Vectors& arguments) noexcept;  // y = alpha x + y
cublasStatus_t scal(const Routine& routine, const Vectors& arguments) noexcept;  // x = alpha x
cublasStatus_t copy(const Routine& routine, const Vectors& arguments) noexcept;  // y = x
cublasStatus_t swap(const Routine& routine, const Vectors& arguments) noexcept;
cublasStatus_t dot(const Routine& routine, const Vectors& arguments) noexcept;
cublasStatus_t dotc(const Routine& routine, const Vectors& arguments) noexcept;  // of x conjugated
cublasStatus_t nrm2(const Routine& routine, const Vectors& arguments) noexcept;
cublasStatus_t asum(const Routine& routine, const Vectors& arguments) noexcept;
cublasStatus_t amax(const Routine& routine, const Vectors& arguments) noexcept;  // where, from 1 on
cublasStatus_t amin(const Routine& routine, const Vectors& arguments) noexcept;

}  // namespace slipstream::emulator::blas
