// gemm and gemv in all their forms: as products, one for each matrix of a batch.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "emulator/blas/gemm_types.h"
#include "emulator/blas/routines.h"

namespace slipstream::emulator::blas {
namespace {

const void* at(const Operand& operand, int64_t index) {
  if (operand.is_array) return static_cast<const void* const*>(operand.data)[index];
  return bytes_at(operand.data) +
         index * operand.stride * static_cast<int64_t>(bytes_of(operand.type));
}

void require_operation(const char* name, cublasOperation_t operation) {
  if (operation == CUBLAS_OP_N || operation == CUBLAS_OP_T || operation == CUBLAS_OP_C) return;
  throw Failure(
      CUBLAS_STATUS_INVALID_VALUE,
      fmt::format("{} must be CUBLAS_OP_N, _T or _C, it is {}", name, static_cast<int>(operation)));
}

// A leading dimension is that of the matrix as memory has it, before it is transposed.
void require_leading(const char* name, const Operand& operand, cublasOperation_t operation,
                     int64_t rows, int64_t columns) {
  const int64_t stored_rows = operation == CUBLAS_OP_N ? rows : columns;
  require_at_least(name, operand.step, std::max(int64_t{1}, stored_rows));
}

void require_arguments(const Gemm& arguments) {
  require_operation("transa", arguments.transa);
  require_operation("transb", arguments.transb);
  require_at_least("m", arguments.m, 0);
  require_at_least("n", arguments.n, 0);
  require_at_least("k", arguments.k, 0);
  require_at_least("batchCount", arguments.batch_count, 0);
  require_leading("lda", arguments.a, arguments.transa, arguments.m, arguments.k);
  require_leading("ldb", arguments.b, arguments.transb, arguments.k, arguments.n);
  require_leading("ldc", arguments.c, CUBLAS_OP_N, arguments.m, arguments.n);
}

void require_arguments(const Gemv& arguments) {
  require_operation("trans", arguments.trans);
  require_at_least("m", arguments.m, 0);
  require_at_least("n", arguments.n, 0);
  require_at_least("batchCount", arguments.batch_count, 0);
  require_leading("lda", arguments.a, CUBLAS_OP_N, arguments.m, arguments.n);
  for (const Operand* const vector : {&arguments.x, &arguments.y}) {
    if (vector->step != 0) continue;
    throw Failure(CUBLAS_STATUS_INVALID_VALUE, fmt::format("inc{} must not be 0", vector->name));
  }
}

View transformed(View view, cublasOperation_t operation) {
  if (operation == CUBLAS_OP_N) return view;
  view = view.transposed();
  view.conjugated = operation == CUBLAS_OP_C;
  return view;
}

// rows by columns after `operation`.
View matrix_at(const Operand& operand, int64_t index, cublasOperation_t operation, int64_t rows,
               int64_t columns) {
  if (operation != CUBLAS_OP_N) std::swap(rows, columns);
  return transformed(column_major(at(operand, index), operand.type, rows, columns, operand.step),
                     operation);
}

View vector_at(const Operand& operand, int64_t index, int64_t size) {
  return vector(at(operand, index), operand.type, size, operand.step);
}

// Alpha, beta and pointers that are in device memory, to be read in the stream's order.
template <class Arguments>
std::vector<runtime::MemoryUse> memory_of_arguments(
    const Arguments& arguments, const Scalar& alpha, const Scalar& beta,
    std::initializer_list<const Operand*> operands) {
  std::vector<runtime::MemoryUse> uses;
  for (const Scalar* const scalar : {&alpha, &beta}) {
    if (!scalar->is_known()) uses.push_back(scalar->use());
  }
  for (const Operand* const operand : operands) {
    if (!operand->is_array) continue;
    // A pointer is as large as a double.
    const View pointers = vector(operand->data, CUDA_R_64F, arguments.batch_count, 1);
    uses.push_back(use_of(fmt::format("{}array", operand->name), pointers, false));
  }
  return uses;
}

// Calls `add` for each of the batch, with a product to fill in.
template <class Fill>
std::vector<Product> products(int64_t count, Arithmetic arithmetic, const Scalar& alpha,
                              const Scalar& beta, Fill fill) {
  Product product;
  product.arithmetic = arithmetic;
  product.alpha = alpha.value();
  product.beta = beta.value();
  std::vector<Product> all(static_cast<size_t>(count), product);
  for (int64_t i = 0; i < count; ++i) fill(i, all[static_cast<size_t>(i)]);
  return all;
}

// Of functions that have their types in their names.
cublasComputeType_t compute_for(cudaDataType scalar) {
  if (scalar == CUDA_R_16F) return CUBLAS_COMPUTE_16F;
  return scalar == CUDA_R_64F || scalar == CUDA_C_64F ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F;
}

bool is_on_device(const cublasContext& context) {
  return context.pointer_mode == CUBLAS_POINTER_MODE_DEVICE;
}

void enqueue_gemm(const Routine& routine, const Gemm& arguments) {
  const cublasContext& context = context_of(routine.handle);
  require_arguments(arguments);
  const Operand& a = arguments.a;
  const Operand& b = arguments.b;
  const Operand& c = arguments.c;
  const bool of_complex = is_complex(c.type);
  const auto compute =
      arguments.compute.has_value() ? *arguments.compute : compute_for(arguments.scalar.value());
  const auto scalar =
      arguments.scalar.has_value() ? *arguments.scalar : scalar_type(compute, of_complex);
  require_gemm_types(compute, {a.type, b.type, c.type, scalar});
  if (is_fp8(a.type)) refuse("products of fp8 are cublasLtMatmul's");
  if (arguments.m == 0 || arguments.n == 0 || arguments.batch_count == 0) return;
  const Scalar alpha("alpha", arguments.alpha, scalar, is_on_device(context));
  const Scalar beta("beta", arguments.beta, scalar, is_on_device(context));
  const auto make = [=, arithmetic = arithmetic_of(compute, of_complex)] {
    const auto fill = [&](int64_t i, Product& product) {
      product.a = matrix_at(arguments.a, i, arguments.transa, arguments.m, arguments.k);
      product.b = matrix_at(arguments.b, i, arguments.transb, arguments.k, arguments.n);
      product.c = matrix_at(arguments.c, i, CUBLAS_OP_N, arguments.m, arguments.n);
      product.d = product.c;
    };
    return products(arguments.batch_count, arithmetic, alpha, beta, fill);
  };
  enqueue_products(routine.name, context.stream,
                   memory_of_arguments(arguments, alpha, beta, {&a, &b, &c}), make);
}

// A product with one column.
void enqueue_gemv(const Routine& routine, const Gemv& arguments) {
  const cublasContext& context = context_of(routine.handle);
  require_arguments(arguments);
  if (arguments.m == 0 || arguments.n == 0 || arguments.batch_count == 0) return;
  const bool of_complex = is_complex(arguments.scalar);
  const Scalar alpha("alpha", arguments.alpha, arguments.scalar, is_on_device(context));
  const Scalar beta("beta", arguments.beta, arguments.scalar, is_on_device(context));
  const auto make = [=, arithmetic = arithmetic_of(compute_for(arguments.scalar), of_complex)] {
    const auto fill = [&](int64_t i, Product& product) {
      product.a = transformed(matrix_at(arguments.a, i, CUBLAS_OP_N, arguments.m, arguments.n),
                              arguments.trans);
      product.b = vector_at(arguments.x, i, product.a.columns);
      product.c = vector_at(arguments.y, i, product.a.rows);
      product.d = product.c;
    };
    return products(arguments.batch_count, arithmetic, alpha, beta, fill);
  };
  const auto known =
      memory_of_arguments(arguments, alpha, beta, {&arguments.a, &arguments.x, &arguments.y});
  enqueue_products(routine.name, context.stream, known, make);
}

}  // namespace

cublasStatus_t gemm(const Routine& routine, const Gemm& arguments) noexcept {
  return answer(routine.name, [&] { enqueue_gemm(routine, arguments); });
}

cublasStatus_t gemv(const Routine& routine, const Gemv& arguments) noexcept {
  return answer(routine.name, [&] { enqueue_gemv(routine, arguments); });
}

}  // namespace slipstream::emulator::blas
