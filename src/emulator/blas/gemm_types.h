// Which types a product may have, and what it is computed in.
#pragma once

#include <optional>

#include "emulator/blas/product.h"

namespace slipstream::emulator::blas {

struct GemmTypes {
  cudaDataType a;
  cudaDataType b;
  cudaDataType c;
  cudaDataType scalar;  // of alpha and beta
};

// The type of alpha and beta where no argument says it. Throws Failure for what is no type to compute in.
[[nodiscard]] cudaDataType scalar_type(cublasComputeType_t compute, bool is_complex);
[[nodiscard]] Arithmetic arithmetic_of(cublasComputeType_t compute, bool is_complex);

// Throws Failure CUBLAS_STATUS_NOT_SUPPORTED unless cuBLAS has a product of these types.
void require_gemm_types(cublasComputeType_t compute, const GemmTypes& types);

[[nodiscard]] const char* name_of(cudaDataType type);

}  // namespace slipstream::emulator::blas
