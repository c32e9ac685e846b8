#include "emulator/blas/gemm_types.h"

#include <fmt/format.h>

#include "emulator/blas/failure.h"

namespace slipstream::emulator::blas {
namespace {

// Modes that allow less precision are computed in full.
enum class Compute : uint8_t { kHalf, kFloat, kDouble, kInteger };

Compute compute_of(cublasComputeType_t compute) {
  switch (compute) {
    case CUBLAS_COMPUTE_16F:
    case CUBLAS_COMPUTE_16F_PEDANTIC:
      return Compute::kHalf;
    case CUBLAS_COMPUTE_32F:
    case CUBLAS_COMPUTE_32F_PEDANTIC:
    case CUBLAS_COMPUTE_32F_FAST_16F:
    case CUBLAS_COMPUTE_32F_FAST_16BF:
    case CUBLAS_COMPUTE_32F_FAST_TF32:
    case CUBLAS_COMPUTE_32F_EMULATED_16BFX9:
      return Compute::kFloat;
    case CUBLAS_COMPUTE_64F:
    case CUBLAS_COMPUTE_64F_PEDANTIC:
    case CUBLAS_COMPUTE_64F_EMULATED_FIXEDPOINT:
      return Compute::kDouble;
    case CUBLAS_COMPUTE_32I:
    case CUBLAS_COMPUTE_32I_PEDANTIC:
      return Compute::kInteger;
  }
  throw Failure(CUBLAS_STATUS_INVALID_VALUE,
                fmt::format("computeType must be a cublasComputeType_t, it is {}",
                            static_cast<int>(compute)));
}

struct Row {
  Compute compute;
  GemmTypes types;
};

// What cublasGemmEx's and cublasLtMatmul's documents list, fp8 apart.
constexpr Row kRows[] = {
    {Compute::kHalf, {CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F}},
    {Compute::kInteger, {CUDA_R_8I, CUDA_R_8I, CUDA_R_32I, CUDA_R_32I}},
    {Compute::kInteger, {CUDA_R_8I, CUDA_R_8I, CUDA_R_8I, CUDA_R_32F}},
    {Compute::kFloat, {CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F}},
    {Compute::kFloat, {CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUDA_R_32F}},
    {Compute::kFloat, {CUDA_R_8I, CUDA_R_8I, CUDA_R_32F, CUDA_R_32F}},
    {Compute::kFloat, {CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F}},
    {Compute::kFloat, {CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, CUDA_R_32F}},
    {Compute::kFloat, {CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F}},
    {Compute::kFloat, {CUDA_C_32F, CUDA_C_32F, CUDA_C_32F, CUDA_C_32F}},
    {Compute::kDouble, {CUDA_R_64F, CUDA_R_64F, CUDA_R_64F, CUDA_R_64F}},
    {Compute::kDouble, {CUDA_C_64F, CUDA_C_64F, CUDA_C_64F, CUDA_C_64F}},
};

bool is_fp8_product(Compute compute, const GemmTypes& types) {
  const bool operands = is_fp8(types.a) && is_fp8(types.b) &&
                        !(types.a == CUDA_R_8F_E5M2 && types.b == CUDA_R_8F_E5M2);
  const bool result =
      types.c == CUDA_R_16BF || types.c == CUDA_R_16F || types.c == CUDA_R_32F || is_fp8(types.c);
  return compute == Compute::kFloat && types.scalar == CUDA_R_32F && operands && result;
}

}  // namespace

cudaDataType scalar_type(cublasComputeType_t compute, bool is_complex) {
  switch (compute_of(compute)) {
    case Compute::kHalf:
      return CUDA_R_16F;
    case Compute::kFloat:
      return is_complex ? CUDA_C_32F : CUDA_R_32F;
    case Compute::kDouble:
      return is_complex ? CUDA_C_64F : CUDA_R_64F;
    case Compute::kInteger:
      break;
  }
  return CUDA_R_32I;
}

Arithmetic arithmetic_of(cublasComputeType_t compute, bool is_complex) {
  if (is_complex) return Arithmetic::kComplex;
  const Compute wanted = compute_of(compute);
  const bool in_float = wanted == Compute::kHalf || wanted == Compute::kFloat;
  return in_float ? Arithmetic::kFloat : Arithmetic::kDouble;
}

void require_gemm_types(cublasComputeType_t compute, const GemmTypes& types) {
  const Compute wanted = compute_of(compute);
  for (const Row& row : kRows) {
    if (row.compute == wanted && row.types.a == types.a && row.types.b == types.b &&
        row.types.c == types.c && row.types.scalar == types.scalar) {
      return;
    }
  }
  if (is_fp8_product(wanted, types)) return;
  refuse(
      fmt::format("cuBLAS has no product of A in {}, B in {} and C in {}, with compute type {} "
                  "and scalars in {}",
                  name_of(types.a), name_of(types.b), name_of(types.c), static_cast<int>(compute),
                  name_of(types.scalar)));
}

const char* name_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_8I:
      return "s8";
    case CUDA_R_32I:
      return "s32";
    case CUDA_R_8F_E4M3:
      return "e4m3";
    case CUDA_R_8F_E5M2:
      return "e5m2";
    case CUDA_R_16F:
      return "f16";
    case CUDA_R_16BF:
      return "bf16";
    case CUDA_R_32F:
      return "f32";
    case CUDA_R_64F:
      return "f64";
    case CUDA_C_32F:
      return "complex f32";
    case CUDA_C_64F:
      return "complex f64";
    default:
      return "another type";
  }
}

}  // namespace slipstream::emulator::blas
