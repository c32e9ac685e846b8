#include "python/step_call.h"

#include <string>

namespace slipstream::python {
namespace {

using step::kernels::kTileRows;
using step::kernels::StepRow;
using tvm::ffi::TensorView;

// As an error says it: "float32[16, 7168]", with * for any length.
std::string describe(DType dtype, std::initializer_list<int64_t> shape) {
  std::string text;
  for (const int64_t length : shape) {
    text += (text.empty() ? "" : ", ") + (length == kAny ? "*" : std::to_string(length));
  }
  return "contiguous " + to_string(dtype) + "[" + text + "]";
}

}  // namespace

void require(const char* function, const char* argument, const Tensor& tensor, DType dtype,
             std::initializer_list<int64_t> shape) {
  bool fits =
      tensor.dtype == dtype && tensor.contiguous() && tensor.rank == static_cast<int>(shape.size());
  for (int axis = 0; fits && axis < tensor.rank; ++axis) {
    const int64_t length = shape.begin()[axis];
    fits = length == kAny || tensor.shape[axis] == length;
  }
  if (!fits) reject(function, argument, describe(dtype, shape), tensor.describe());
}

Tensor StepCall::tensor(const char* argument, const TensorView& view, DType dtype,
                        std::initializer_list<int64_t> shape) {
  const Tensor tensor = call_.tensor(argument, view);
  require(name_, argument, tensor, dtype, shape);
  return tensor;
}

step::kernels::PackedMatrix StepCall::matrix(const char* argument, const TensorView& tiles,
                                             const OptionalTensor& scales, int64_t rows,
                                             int64_t columns) {
  step::kernels::PackedMatrix matrix{.rows = static_cast<int>(rows),
                                     .columns = static_cast<int>(columns),
                                     .is_fp8 = scales.has_value()};
  set_tiles(argument, tiles, matrix);
  if (matrix.is_fp8) {
    const Tensor values =
        tensor("scales", scales.value(), DType::kFloat32, {kAny, matrix.groups()});
    if (values.shape[0] < rows / kTileRows) {
      reject(name_, "scales", "of a row for each 16 rows of the matrix", values.describe());
    }
    matrix.scales = constant<float>(values);
  }
  return matrix;
}

step::kernels::PackedMatrix StepCall::bands(const char* argument, const TensorView& tiles,
                                            int64_t rows, int64_t columns) {
  step::kernels::PackedMatrix matrix{.rows = static_cast<int>(rows),
                                     .columns = static_cast<int>(columns),
                                     .is_fp8 = true,
                                     .is_banded = true};
  set_tiles(argument, tiles, matrix);
  return matrix;
}

void StepCall::set_tiles(const char* argument, const TensorView& tiles,
                         step::kernels::PackedMatrix& matrix) {
  if (matrix.rows < 1 || matrix.rows % kTileRows != 0) {
    reject(name_, argument, "of a multiple of 16 rows", "of " + std::to_string(matrix.rows));
  }
  const int64_t bytes = matrix.bytes();
  const Tensor packed = tensor(argument, tiles, DType::kUInt8, {kAny});
  if (packed.shape[0] < bytes) {
    reject(name_, argument, "of at least " + std::to_string(bytes) + " bytes", packed.describe());
  }
  matrix.tiles = constant<std::byte>(packed);
}

step::kernels::SettledPlaces StepCall::places(const TensorView& rows, const TensorView& pages,
                                              int64_t tokens) {
  const Tensor step_rows = tensor("step_rows", rows, DType::kUInt8, {tokens, sizeof(StepRow)});
  const Tensor table = tensor("pages", pages, DType::kInt32, {kAny, kAny});
  return {.rows = settled<StepRow>(step_rows),
          .pages = settled<int>(table),
          .pages_per_sequence = static_cast<int>(table.shape[1])};
}

int StepCall::tokens(const char* argument, const Tensor& tensor) const {
  if (tensor.shape[0] < 1 || tensor.shape[0] > step::kernels::kMaxRows) {
    reject(name_, argument, "of 1 to 16 rows", tensor.describe());
  }
  return static_cast<int>(tensor.shape[0]);
}

}  // namespace slipstream::python
