#include "emulator/blas/epilogue.h"

#include <algorithm>
#include <cmath>

#include "emulator/blas/elements.h"

namespace slipstream::emulator::blas {
namespace {

constexpr double kGeluScale = 0.7978845608028654;  // sqrt(2 / pi)
constexpr double kGeluCubic = 0.044715;

// The approximation by tanh, as cuBLASLt has it.
template <class T>
T gelu(T x) {
  return T(0.5) * x * (T(1) + std::tanh(T(kGeluScale) * (x + T(kGeluCubic) * x * x * x)));
}

template <class T>
T gelu_gradient(T x) {
  const T tanh = std::tanh(T(kGeluScale) * (x + T(kGeluCubic) * x * x * x));
  const T inner = T(kGeluScale) * (T(1) + T(3 * kGeluCubic) * x * x);
  return T(0.5) * (T(1) + tanh) + T(0.5) * x * (T(1) - tanh * tanh) * inner;
}

template <class T, class Function>
void for_each(const View& shape, std::vector<T>& values, Function function) {
  auto value = values.begin();
  for (int64_t column = 0; column < shape.columns; ++column) {
    for (int64_t row = 0; row < shape.rows; ++row, ++value) function(row, column, *value);
  }
}

// A byte of the mask and its bit.
struct Bit {
  std::byte& byte;
  std::byte bit;
};
Bit bit_of(const Mask& mask, int64_t row, int64_t column) {
  const int64_t index = column * mask.leading + row;
  return {mask.data[index / 8], std::byte{1} << (index % 8)};
}

// NaN stays NaN, and counts as let through.
template <class T>
void apply_relu(const Product& product, std::vector<T>& result) {
  for_each(product.d, result, [&](int64_t row, int64_t column, T& value) {
    const bool passes = !(value <= T(0));
    if (!passes) value = T(0);
    if (product.mask.data == nullptr) return;
    const auto [byte, bit] = bit_of(product.mask, row, column);
    byte = passes ? byte | bit : byte & ~bit;
  });
}

template <class T>
void apply_activation(const Product& product, std::vector<T>& result) {
  switch (product.activation) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      return apply_relu(product, result);
    case Activation::kGelu:
      if (!product.auxiliary.empty()) store<T>(product.auxiliary, result.data());
      std::ranges::transform(result, result.begin(), gelu<T>);
      return;
    case Activation::kReluGradient:
      return for_each(product.d, result, [&](int64_t row, int64_t column, T& value) {
        const auto [byte, bit] = bit_of(product.mask, row, column);
        if ((byte & bit) == std::byte{0}) value = T(0);
      });
    case Activation::kGeluGradient: {
      const std::vector<T> inputs = load<T>(product.auxiliary);
      std::ranges::transform(result, inputs, result.begin(),
                             [](T value, T input) { return value * gelu_gradient(input); });
      return;
    }
  }
}

// The sums over the columns.
template <class T>
std::vector<T> row_sums(const std::vector<T>& values, int64_t rows) {
  std::vector<T> sums(static_cast<size_t>(rows), T(0));
  for (size_t i = 0; i < values.size(); ++i) sums[i % sums.size()] += values[i];
  return sums;
}

template <class T>
void store_sums(const Product& product, const std::vector<T>& result) {
  switch (product.sums_of) {
    case SumsOf::kNothing:
      return;
    case SumsOf::kResult:
      return store<T>(product.sums, row_sums(result, product.d.rows).data());
    case SumsOf::kA:
      return store<T>(product.sums, row_sums(load<T>(product.a), product.a.rows).data());
    case SumsOf::kB:
      return store<T>(product.sums,
                      row_sums(load<T>(product.b.transposed()), product.b.columns).data());
  }
}

int64_t mask_bytes(const Product& product) {
  return ((product.d.columns - 1) * product.mask.leading + product.d.rows + 7) / 8;
}

}  // namespace

template <class T>
void apply_epilogue(const Product& product, std::vector<T>& result) {
  if (!product.bias.empty()) {
    const std::vector<T> bias = load<T>(product.bias);
    for_each(product.d, result, [&](int64_t row, int64_t /*column*/, T& value) {
      value += bias[static_cast<size_t>(row)];
    });
  }
  apply_activation(product, result);
  store_sums(product, result);
  if (product.largest != nullptr) {
    T largest = 0;
    for (const T value : result) largest = std::max(largest, std::abs(value));
    *product.largest = static_cast<float>(largest);
  }
  if (product.d_factor != nullptr) {
    for (T& value : result) value *= *product.d_factor;
  }
}

template void apply_epilogue(const Product&, std::vector<float>&);
template void apply_epilogue(const Product&, std::vector<double>&);

void add_epilogue_uses(const Product& product, std::vector<runtime::MemoryUse>& uses) {
  const bool is_gradient = product.activation == Activation::kReluGradient ||
                           product.activation == Activation::kGeluGradient;
  const auto add = [&](const char* what, const View& view, bool is_written) {
    if (!view.empty()) uses.push_back(use_of(what, view, is_written));
  };
  add("the bias", product.bias, false);
  add("the epilogue's auxiliary matrix", product.auxiliary, !is_gradient);
  if (product.mask.data != nullptr) {
    add("the epilogue's mask", vector(product.mask.data, CUDA_R_8I, mask_bytes(product), 1),
        !is_gradient);
  }
  add("the bias gradient", product.sums, true);
}

}  // namespace slipstream::emulator::blas
