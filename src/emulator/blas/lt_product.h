// A product as cuBLASLt describes it, checked and turned into one of product.h for each matrix of the batch.
#pragma once

#include "emulator/blas/context.h"
#include "emulator/blas/lt_descriptors.h"

namespace slipstream::emulator::blas {

struct LtProduct {
  Matmul matmul;
  Layout a;
  Layout b;
  Layout c;
  Layout d;
};

// Copies the descriptors. Throws Failure where a handle is null.
LtProduct lt_product(cublasLtMatmulDesc_t matmul, cublasLtMatrixLayout_t a,
                     cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d);

// Throws Failure CUBLAS_STATUS_INVALID_VALUE where sizes do not fit, CUBLAS_STATUS_NOT_SUPPORTED where there is no such
// product, here or in cuBLASLt.
void require_supported(const LtProduct& product);

struct LtMatrices {
  const void* a;
  const void* b;
  const void* c;
  void* d;
};
[[nodiscard]] std::vector<Product> products_of(const LtProduct& product, const LtMatrices& matrices,
                                               std::complex<double> alpha,
                                               std::complex<double> beta);

}  // namespace slipstream::emulator::blas
