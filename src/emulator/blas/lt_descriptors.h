// What cuBLASLt's opaque structures hold here, and the attributes by which programs set it.
#pragma once

#include <cstring>

#include "emulator/blas/cublaslt_types.h"

namespace slipstream::emulator::blas {

struct Layout {
  cudaDataType type = CUDA_R_32F;
  int32_t order = CUBLASLT_ORDER_COL;
  uint64_t rows = 0;
  uint64_t columns = 0;
  int64_t leading = 0;
  int64_t batch_stride = 0;
  int64_t plane_offset = 0;
  int32_t batch_count = 1;
  int32_t batch_mode = 0;
};

struct Matmul {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType scalar = CUDA_R_32F;
  int32_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  cublasOperation_t transa = CUBLAS_OP_N;
  cublasOperation_t transb = CUBLAS_OP_N;
  cublasOperation_t transc = CUBLAS_OP_N;
  int32_t fill_mode = 2;  // CUBLAS_FILL_MODE_FULL
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  int32_t multiprocessors = 0;
  int32_t auxiliary_type = -1;
  int32_t bias_type = -1;
  int32_t a_scale_mode = 0;
  int32_t b_scale_mode = 0;
  int32_t c_scale_mode = 0;
  int32_t d_scale_mode = 0;
  int32_t auxiliary_scale_mode = 0;
  int32_t d_out_scale_mode = 0;
  int8_t fast_accumulation = 0;
  void* bias = nullptr;
  int64_t bias_stride = 0;
  void* auxiliary = nullptr;
  int64_t auxiliary_leading = 0;
  int64_t auxiliary_stride = 0;
  int64_t alpha_stride = 0;
  void* a_scale = nullptr;
  void* b_scale = nullptr;
  void* c_scale = nullptr;
  void* d_scale = nullptr;
  void* largest_of_d = nullptr;
  void* auxiliary_scale = nullptr;
  void* largest_of_auxiliary = nullptr;
  void* d_out_scale = nullptr;
};

// A workspace is never needed, so what a program prefers is only kept.
struct Preference {
  uint64_t values[7] = {};
};

// In the caller's structure, which may be on its stack. Null handles throw Failure CUBLAS_STATUS_INVALID_VALUE.
Layout& layout_of(cublasLtMatrixLayout_t handle, const char* name);
Matmul& matmul_of(cublasLtMatmulDesc_t handle);

}  // namespace slipstream::emulator::blas
