#include "emulator/blas/view.h"

#include <algorithm>
#include <utility>

namespace slipstream::emulator::blas {

size_t bytes_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_8I:
    case CUDA_R_8F_E4M3:
    case CUDA_R_8F_E5M2:
      return 1;
    case CUDA_R_16F:
    case CUDA_R_16BF:
      return 2;
    case CUDA_R_32F:
    case CUDA_R_32I:
      return 4;
    case CUDA_R_64F:
    case CUDA_C_32F:
      return 8;
    case CUDA_C_64F:
      return 16;
    default:
      return 0;
  }
}

bool is_complex(cudaDataType type) { return type == CUDA_C_32F || type == CUDA_C_64F; }
bool is_fp8(cudaDataType type) { return type == CUDA_R_8F_E4M3 || type == CUDA_R_8F_E5M2; }

View column_major(const void* data, cudaDataType type, int64_t rows, int64_t columns,
                  int64_t leading) {
  return {bytes_at(data), type, rows, columns, 1, leading};
}

View vector(const void* data, cudaDataType type, int64_t size, int64_t step) {
  View view{bytes_at(data), type, size, 1, step, 0};
  if (step < 0 && size > 0) {
    view.data += (1 - size) * step * static_cast<int64_t>(bytes_of(type));
  }
  return view;
}

runtime::MemoryUse use_of(std::string what, const View& view, bool is_written) {
  runtime::MemoryUse use;
  use.what = std::move(what);
  use.is_written = is_written;
  if (view.empty()) return use;
  // The direction in which elements are next to each other, and the other one.
  const bool along_rows = view.row_step == 1 || view.columns == 1;
  const bool packed = along_rows ? view.row_step == 1 : view.column_step == 1;
  const int64_t inner = along_rows ? view.rows : view.columns;
  const int64_t outer = along_rows ? view.columns : view.rows;
  const auto bytes = static_cast<int64_t>(bytes_of(view.type));
  if (packed) {
    use.width = static_cast<uint64_t>(inner * bytes);
    use.height = static_cast<uint64_t>(outer);
    use.pitch = static_cast<uint64_t>((along_rows ? view.column_step : view.row_step) * bytes);
    use.address = reinterpret_cast<uint64_t>(view.data);
    return use;
  }
  // A vector with a step, which may be negative or 0.
  const int64_t step = along_rows ? view.row_step : view.column_step;
  use.width = static_cast<uint64_t>(bytes);
  use.height = step == 0 ? 1 : static_cast<uint64_t>(inner);
  use.pitch = static_cast<uint64_t>(std::max(step, -step) * bytes);
  use.address =
      reinterpret_cast<uint64_t>(view.data + std::min<int64_t>(0, (inner - 1) * step) * bytes);
  return use;
}

}  // namespace slipstream::emulator::blas
