// Matrices and vectors where memory has them: elements of any type, at any steps. A vector is a matrix of one column.
#pragma once

#include <library_types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "emulator/runtime/library_call.h"

namespace slipstream::emulator::blas {

struct View {
  std::byte* data = nullptr;
  cudaDataType type = CUDA_R_32F;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t row_step = 1;  // in elements, from row to row
  int64_t column_step = 1;
  bool conjugated = false;  // when read

  [[nodiscard]] bool empty() const { return rows == 0 || columns == 0; }
  [[nodiscard]] View transposed() const {
    return {data, type, columns, rows, column_step, row_step, conjugated};
  }
};

[[nodiscard]] size_t bytes_of(cudaDataType type);  // 0: a type that nothing here has
[[nodiscard]] bool is_complex(cudaDataType type);
[[nodiscard]] bool is_fp8(cudaDataType type);

// Programs give addresses of constants and of what is written alike.
[[nodiscard]] inline std::byte* bytes_at(const void* address) {
  return static_cast<std::byte*>(const_cast<void*>(address));
}

[[nodiscard]] View column_major(const void* data, cudaDataType type, int64_t rows, int64_t columns,
                                int64_t leading);
// As BLAS has them: with a negative step, the first element is the one with the highest address.
[[nodiscard]] View vector(const void* data, cudaDataType type, int64_t size, int64_t step);

[[nodiscard]] runtime::MemoryUse use_of(std::string what, const View& view, bool is_written);

}  // namespace slipstream::emulator::blas
