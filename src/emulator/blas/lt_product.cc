#include "emulator/blas/lt_product.h"

#include <fmt/format.h>

#include "emulator/blas/gemm_types.h"

namespace slipstream::emulator::blas {
namespace {

// What is written on the way besides the result, and what it takes to compute the result from the product.
struct Epilogue {
  cublasLtEpilogue_t name;
  Activation activation;
  bool has_bias;
  bool has_auxiliary;
  SumsOf sums_of;
};

constexpr Epilogue kEpilogues[] = {
    {CUBLASLT_EPILOGUE_DEFAULT, Activation::kNone, false, false, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_BIAS, Activation::kNone, true, false, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_RELU, Activation::kRelu, false, false, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_RELU_BIAS, Activation::kRelu, true, false, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_RELU_AUX, Activation::kRelu, false, true, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_RELU_AUX_BIAS, Activation::kRelu, true, true, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_DRELU, Activation::kReluGradient, false, true, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_DRELU_BGRAD, Activation::kReluGradient, false, true, SumsOf::kResult},
    {CUBLASLT_EPILOGUE_GELU, Activation::kGelu, false, false, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_GELU_BIAS, Activation::kGelu, true, false, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_GELU_AUX, Activation::kGelu, false, true, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_GELU_AUX_BIAS, Activation::kGelu, true, true, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_DGELU, Activation::kGeluGradient, false, true, SumsOf::kNothing},
    {CUBLASLT_EPILOGUE_DGELU_BGRAD, Activation::kGeluGradient, false, true, SumsOf::kResult},
    {CUBLASLT_EPILOGUE_BGRADA, Activation::kNone, false, false, SumsOf::kA},
    {CUBLASLT_EPILOGUE_BGRADB, Activation::kNone, false, false, SumsOf::kB},
};

const Epilogue& epilogue_of(const Matmul& matmul) {
  for (const Epilogue& epilogue : kEpilogues) {
    if (epilogue.name == static_cast<cublasLtEpilogue_t>(matmul.epilogue)) return epilogue;
  }
  refuse(fmt::format("epilogue {} is not supported", matmul.epilogue));
}

bool is_mask(const Epilogue& epilogue) {
  return epilogue.activation == Activation::kRelu ||
         epilogue.activation == Activation::kReluGradient;
}

// What memory has, in either order; `index` counts the batch.
View stored(const Layout& layout, const void* data, int64_t index) {
  const auto rows = static_cast<int64_t>(layout.rows);
  const auto columns = static_cast<int64_t>(layout.columns);
  const std::byte* const first =
      bytes_at(data) + index * layout.batch_stride * static_cast<int64_t>(bytes_of(layout.type));
  if (layout.order == CUBLASLT_ORDER_COL) {
    return column_major(first, layout.type, rows, columns, layout.leading);
  }
  return column_major(first, layout.type, columns, rows, layout.leading).transposed();
}

View operand(const Layout& layout, const void* data, int64_t index, cublasOperation_t operation) {
  View view = stored(layout, data, index);
  if (operation == CUBLAS_OP_N) return view;
  view = view.transposed();
  view.conjugated = operation == CUBLAS_OP_C;
  return view;
}

void require_layout(const char* name, const Layout& layout, int32_t batch_count) {
  if (layout.order != CUBLASLT_ORDER_COL && layout.order != CUBLASLT_ORDER_ROW) {
    refuse(fmt::format("order {} of {} is not supported", layout.order, name));
  }
  if (layout.batch_mode != 0 || layout.plane_offset != 0) {
    refuse(fmt::format("batches of pointers and planes, of {}, are not supported", name));
  }
  const auto rows =
      static_cast<int64_t>(layout.order == CUBLASLT_ORDER_COL ? layout.rows : layout.columns);
  require_at_least(fmt::format("the leading dimension of {}", name).c_str(), layout.leading, rows);
  if (layout.batch_count == batch_count) return;
  throw Failure(CUBLAS_STATUS_INVALID_VALUE,
                fmt::format("the batch count of {} must be that of D, {}, it is {}", name,
                            batch_count, layout.batch_count));
}

void require_size(const char* what, int64_t rows, int64_t columns, const Layout& d) {
  if (rows == static_cast<int64_t>(d.rows) && columns == static_cast<int64_t>(d.columns)) return;
  throw Failure(CUBLAS_STATUS_INVALID_VALUE,
                fmt::format("{} must be as large as D, {} by {}, it is {} by {}", what, d.rows,
                            d.columns, rows, columns));
}

// fp8 has kernels on an sm_90 for few forms: K first in both operands, and everything at 16 bytes.
void require_fp8_form(const LtProduct& product) {
  if (product.matmul.transa != CUBLAS_OP_T || product.matmul.transb != CUBLAS_OP_N ||
      product.a.order != CUBLASLT_ORDER_COL || product.b.order != CUBLASLT_ORDER_COL) {
    refuse("fp8 products must have A transposed and B not (column order), as on an sm_90");
  }
  constexpr uint64_t kBytes = 16;
  for (const Layout* const layout : {&product.a, &product.b, &product.d}) {
    const uint64_t bytes = bytes_of(layout->type);
    if (layout->rows * bytes % kBytes != 0 ||
        static_cast<uint64_t>(layout->leading) * bytes % kBytes != 0) {
      refuse("rows and leading dimensions of fp8 products must be multiples of 16 bytes");
    }
  }
}

Factors factors(const void* pointer, int32_t mode) {
  return {static_cast<const float*>(pointer), mode == CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F};
}

void require_scale_modes(const Matmul& matmul) {
  for (const int32_t mode : {matmul.a_scale_mode, matmul.b_scale_mode}) {
    if (mode == CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F ||
        mode == CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F) {
      continue;
    }
    refuse(fmt::format("scale mode {} is not supported", mode));
  }
  if (matmul.c_scale_mode != 0 || matmul.d_scale_mode != 0 || matmul.d_out_scale_mode != 0 ||
      matmul.d_out_scale != nullptr || matmul.auxiliary_scale != nullptr ||
      matmul.largest_of_auxiliary != nullptr) {
    refuse(
        "of scales, those of A, B, C and D by one factor are supported, and none of the "
        "epilogue's");
  }
}

// Where the program does not say it.
cudaDataType bias_type(const LtProduct& product) {
  if (product.matmul.bias_type >= 0) return static_cast<cudaDataType>(product.matmul.bias_type);
  const cudaDataType type = product.d.type;
  if (type == CUDA_R_8I) return CUDA_R_32F;
  if (is_fp8(type)) return product.c.type == CUDA_R_16F ? CUDA_R_16F : CUDA_R_16BF;
  return is_fp8(product.a.type) && type == CUDA_R_32F ? CUDA_R_16BF : type;
}

void add_epilogue(const LtProduct& given, int64_t index, Product& product) {
  const Matmul& matmul = given.matmul;
  const Epilogue& epilogue = epilogue_of(matmul);
  product.activation = epilogue.activation;
  product.sums_of = epilogue.sums_of;
  const cudaDataType type = bias_type(given);
  const auto bias_at =
      bytes_at(matmul.bias) + index * matmul.bias_stride * static_cast<int64_t>(bytes_of(type));
  if (epilogue.has_bias) product.bias = vector(bias_at, type, product.d.rows, 1);
  if (epilogue.sums_of != SumsOf::kNothing) {
    const bool of_b = epilogue.sums_of == SumsOf::kB;
    product.sums = vector(bias_at, type, of_b ? product.d.columns : product.d.rows, 1);
  }
  if (!epilogue.has_auxiliary) return;
  if (is_mask(epilogue)) {
    product.mask = {bytes_at(matmul.auxiliary) + index * matmul.auxiliary_stride / 8,
                    matmul.auxiliary_leading};
    return;
  }
  const auto auxiliary_type =
      matmul.auxiliary_type < 0 ? given.d.type : static_cast<cudaDataType>(matmul.auxiliary_type);
  Layout layout = given.d;
  layout.type = auxiliary_type;
  layout.leading = matmul.auxiliary_leading;
  layout.batch_stride = matmul.auxiliary_stride;
  product.auxiliary = stored(layout, matmul.auxiliary, index);
}

void require_epilogue(const LtProduct& product) {
  const Epilogue& epilogue = epilogue_of(product.matmul);
  if (epilogue.name != CUBLASLT_EPILOGUE_DEFAULT && is_complex(product.d.type)) {
    refuse("complex products have no epilogue");
  }
  if (epilogue.has_auxiliary) {
    const auto rows = static_cast<int64_t>(
        product.d.order == CUBLASLT_ORDER_COL ? product.d.rows : product.d.columns);
    require_at_least("the leading dimension of the epilogue's auxiliary matrix",
                     product.matmul.auxiliary_leading, rows);
  }
}

}  // namespace

LtProduct lt_product(cublasLtMatmulDesc_t matmul, cublasLtMatrixLayout_t a,
                     cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  return {matmul_of(matmul), layout_of(a, "Adesc"), layout_of(b, "Bdesc"), layout_of(c, "Cdesc"),
          layout_of(d, "Ddesc")};
}

void require_supported(const LtProduct& product) {
  const Matmul& matmul = product.matmul;
  if (matmul.pointer_mode != CUBLASLT_POINTER_MODE_HOST &&
      matmul.pointer_mode != CUBLASLT_POINTER_MODE_DEVICE) {
    refuse(fmt::format("pointer mode {} is not supported", matmul.pointer_mode));
  }
  if (matmul.transc != CUBLAS_OP_N || matmul.fill_mode != 2) {
    refuse("C can be neither transposed nor a triangle");
  }
  require_gemm_types(matmul.compute,
                     {product.a.type, product.b.type, product.d.type, matmul.scalar});
  const int32_t batch_count = product.d.batch_count;
  require_layout("A", product.a, batch_count);
  require_layout("B", product.b, batch_count);
  require_layout("C", product.c, batch_count);
  require_layout("D", product.d, batch_count);
  if (is_fp8(product.a.type)) require_fp8_form(product);
  const View a = operand(product.a, nullptr, 0, matmul.transa);
  const View b = operand(product.b, nullptr, 0, matmul.transb);
  require_size("the product of A and B", a.rows, b.columns, product.d);
  require_size("C", static_cast<int64_t>(product.c.rows), static_cast<int64_t>(product.c.columns),
               product.d);
  if (a.columns != b.rows) {
    throw Failure(
        CUBLAS_STATUS_INVALID_VALUE,
        fmt::format("the depths of A and B must be equal, they are {} and {}", a.columns, b.rows));
  }
  require_scale_modes(matmul);
  require_epilogue(product);
}

std::vector<Product> products_of(const LtProduct& given, const LtMatrices& matrices,
                                 std::complex<double> alpha, std::complex<double> beta) {
  const Matmul& matmul = given.matmul;
  std::vector<Product> products;
  for (int64_t i = 0; i < given.d.batch_count; ++i) {
    Product product;
    product.arithmetic = arithmetic_of(matmul.compute, is_complex(given.d.type));
    product.alpha = alpha;
    product.beta = beta;
    product.a = operand(given.a, matrices.a, i, matmul.transa);
    product.b = operand(given.b, matrices.b, i, matmul.transb);
    product.c = stored(given.c, matrices.c, i);
    product.d = stored(given.d, matrices.d, i);
    product.a_factors = factors(matmul.a_scale, matmul.a_scale_mode);
    product.b_factors = factors(matmul.b_scale, matmul.b_scale_mode);
    product.c_factor = static_cast<const float*>(matmul.c_scale);
    product.d_factor = static_cast<const float*>(matmul.d_scale);
    product.largest = static_cast<float*>(matmul.largest_of_d);
    add_epilogue(given, i, product);
    products.push_back(product);
  }
  return products;
}

}  // namespace slipstream::emulator::blas
