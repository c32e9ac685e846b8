#include "emulator/blas/product.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "emulator/blas/elements.h"
#include "emulator/blas/epilogue.h"

namespace slipstream::emulator::blas {
namespace {

template <class T>
constexpr cudaDataType kTypeOf = CUDA_R_32F;
template <>
constexpr cudaDataType kTypeOf<double> = CUDA_R_64F;
template <>
constexpr cudaDataType kTypeOf<std::complex<double>> = CUDA_C_64F;

// A matrix in column-major order: where memory has it like that, or a copy.
template <class T>
class Operand {
 public:
  explicit Operand(const View& view)
      : in_place_(view.type == kTypeOf<T> && view.row_step == 1 && !view.conjugated &&
                  view.column_step >= view.rows &&
                  reinterpret_cast<uintptr_t>(view.data) % alignof(T) == 0),
        copy_(in_place_ ? std::vector<T>() : load<T>(view)),
        map_(in_place_ ? reinterpret_cast<const T*>(view.data) : copy_.data(), view.rows,
             view.columns, Eigen::OuterStride<>(in_place_ ? view.column_step : view.rows)) {}

  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>& operator*() const { return map_; }

 private:
  bool in_place_;
  std::vector<T> copy_;
  Eigen::Map<const Matrix, 0, Eigen::OuterStride<>> map_;
};

bool reads_operands(const Product& product) {
  return product.alpha != 0.0 && product.a.columns > 0;
}

float factor(const float* pointer) { return pointer == nullptr ? 1.0F : *pointer; }

template <class T>
std::vector<T> product_of(const Product& product) {
  const View& d = product.d;
  std::vector<T> result(static_cast<size_t>(d.rows * d.columns), T(0));
  if (!reads_operands(product)) return result;
  Eigen::Map<typename Operand<T>::Matrix> map(result.data(), d.rows, d.columns);
  map.noalias() = *Operand<T>(product.a) * *Operand<T>(product.b);
  const T alpha = scalar<T>(product.alpha);
  if (alpha != T(1)) map *= alpha;
  return result;
}

// By the factors of A and B.
template <class T>
void scale(std::vector<T>& result, const Product& product) {
  const Factors& a = product.a_factors;
  const Factors& b = product.b_factors;
  if (a.data == nullptr && b.data == nullptr) return;
  const auto of = [](const Factors& factors, int64_t i) {
    return factors.data == nullptr ? 1.0F : factors.data[factors.is_vector ? i : 0];
  };
  auto value = result.begin();
  for (int64_t column = 0; column < product.d.columns; ++column) {
    for (int64_t row = 0; row < product.d.rows; ++row, ++value) {
      *value *= of(a, row) * of(b, column);
    }
  }
}

template <class T>
void run_in(const Product& product) {
  std::vector<T> result = product_of<T>(product);
  if constexpr (std::is_floating_point_v<T>) scale(result, product);
  if (product.beta != 0.0) {
    const std::vector<T> c = load<T>(product.c);
    const T beta = scalar<T>(product.beta) * T(factor(product.c_factor));
    std::transform(result.begin(), result.end(), c.begin(), result.begin(),
                   [&](const T& value, const T& other) { return value + beta * other; });
  }
  if constexpr (std::is_floating_point_v<T>) apply_epilogue(product, result);
  store<T>(product.d, result.data());
}

}  // namespace

void run(const Product& product) {
  switch (product.arithmetic) {
    case Arithmetic::kFloat:
      return run_in<float>(product);
    case Arithmetic::kDouble:
      return run_in<double>(product);
    case Arithmetic::kComplex:
      return run_in<std::complex<double>>(product);
  }
}

std::vector<runtime::MemoryUse> uses_of(const Product& product) {
  std::vector<runtime::MemoryUse> uses;
  if (product.d.empty()) return uses;
  const auto add = [&](const char* what, const View& view, bool is_written) {
    if (!view.empty()) uses.push_back(use_of(what, view, is_written));
  };
  const auto add_floats = [&](const char* what, const float* data, int64_t size, bool is_written) {
    if (data != nullptr) add(what, vector(data, CUDA_R_32F, size, 1), is_written);
  };
  if (reads_operands(product)) {
    add("A", product.a, false);
    add("B", product.b, false);
  }
  if (product.beta != 0.0) add("C", product.c, false);
  add_floats("the scale of A", product.a_factors.data,
             product.a_factors.is_vector ? product.d.rows : 1, false);
  add_floats("the scale of B", product.b_factors.data,
             product.b_factors.is_vector ? product.d.columns : 1, false);
  add_floats("the scale of C", product.c_factor, 1, false);
  add_floats("the scale of D", product.d_factor, 1, false);
  add_epilogue_uses(product, uses);
  add("the result", product.d, true);
  add_floats("the largest magnitude of D", product.largest, 1, true);
  return uses;
}

}  // namespace slipstream::emulator::blas
