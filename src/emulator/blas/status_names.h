#pragma once

#include "emulator/blas/cublas_types.h"

namespace slipstream::emulator::blas {

// "CUBLAS_STATUS_SUCCESS", and what it means in a few words.
[[nodiscard]] const char* status_name(cublasStatus_t status);
[[nodiscard]] const char* status_text(cublasStatus_t status);

// Of the version that both libraries say they are: that of CUDA 13.0.
inline constexpr int kMajor = 13;
inline constexpr int kMinor = 1;
inline constexpr int kPatch = 0;
inline constexpr int kVersion = kMajor * 10000 + kMinor * 100 + kPatch;
// Throws Failure CUBLAS_STATUS_INVALID_VALUE for what is no property.
[[nodiscard]] int property(libraryPropertyType type);

}  // namespace slipstream::emulator::blas
