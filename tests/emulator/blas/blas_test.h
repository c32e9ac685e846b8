// Device memory with values of any real type, and products of them in double precision to compare with.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "cublas.h"
#include "emulator/arithmetic/narrow_float.h"

namespace slipstream::emulator::blas {

inline constexpr auto kSuccess = CUBLAS_STATUS_SUCCESS;

using Values = std::vector<double>;

// How an element of `bytes` bytes is rounded: none of a float format means int8_t.
struct Format {
  size_t bytes;
  const FloatFormat* format;
  double rounding;  // half a unit in the last place, relative
};

inline Format format_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_16F:
      return {2, &kF16Format, 0x1p-11};
    case CUDA_R_16BF:
      return {2, &kBf16Format, 0x1p-8};
    case CUDA_R_8F_E4M3:
      return {1, &kE4m3Format, 0x1p-4};
    case CUDA_R_8F_E5M2:
      return {1, &kE5m2Format, 0x1p-3};
    case CUDA_R_64F:
      return {8, nullptr, 0x1p-53};
    case CUDA_R_32F:
      return {4, nullptr, 0x1p-24};
    case CUDA_R_32I:
      return {4, nullptr, 0};
    default:
      return {1, nullptr, 0};
  }
}

template <class T>
void put(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
}
template <class T>
T get(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline void encode_element(cudaDataType type, double value, std::byte* to) {
  const Format format = format_of(type);
  if (format.format != nullptr) {
    const uint32_t code = encode(value, *format.format, Rounding::kNearest, true);
    return format.bytes == 2 ? put(static_cast<uint16_t>(code), to)
                             : put(static_cast<uint8_t>(code), to);
  }
  if (type == CUDA_R_64F) return put(value, to);
  if (type == CUDA_R_32F) return put(static_cast<float>(value), to);
  if (type == CUDA_R_32I) return put(static_cast<int32_t>(value), to);
  put(static_cast<int8_t>(value), to);
}

inline double decode_element(cudaDataType type, const std::byte* from) {
  const Format format = format_of(type);
  if (format.format != nullptr) {
    return decode(format.bytes == 2 ? get<uint16_t>(from) : get<uint8_t>(from), *format.format);
  }
  if (type == CUDA_R_64F) return get<double>(from);
  if (type == CUDA_R_32F) return get<float>(from);
  if (type == CUDA_R_32I) return get<int32_t>(from);
  return get<int8_t>(from);
}

// Elements in device memory.
class Memory {
 public:
  Memory(cudaDataType type, const Values& values) : type_(type), size_(values.size()) {
    std::vector<std::byte> bytes(size_ * element());
    for (size_t i = 0; i < size_; ++i) encode_element(type, values[i], &bytes[i * element()]);
    EXPECT_EQ(cudaMalloc(&data_, bytes.size() + 1), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), cudaSuccess);
  }
  explicit Memory(const Values& values) : Memory(CUDA_R_32F, values) {}
  ~Memory() { cudaFree(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // After all work.
  [[nodiscard]] Values values() const {
    std::vector<std::byte> bytes(size_ * element());
    EXPECT_EQ(cudaMemcpy(bytes.data(), data_, bytes.size(), cudaMemcpyDeviceToHost), cudaSuccess);
    Values values(size_);
    for (size_t i = 0; i < size_; ++i) values[i] = decode_element(type_, &bytes[i * element()]);
    return values;
  }
  template <class T = float>
  [[nodiscard]] T* data() const {
    return static_cast<T*>(data_);
  }
  [[nodiscard]] cudaDataType type() const { return type_; }

 private:
  [[nodiscard]] size_t element() const { return format_of(type_).bytes; }

  cudaDataType type_;
  size_t size_;
  void* data_ = nullptr;
};

// Numbers that every type has exactly.
inline Values random_values(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  Values values(count);
  for (double& value : values) value = (static_cast<int>(random() % 31) - 15) * 0.25;
  return values;
}
inline Values random_integers(size_t count, uint32_t seed) {
  Values values = random_values(count, seed);
  for (double& value : values) value *= 4;
  return values;
}

// A matrix in memory.
struct Shape {
  int rows;
  int columns;
  int leading;
  bool transposed = false;  // when used

  [[nodiscard]] size_t elements() const { return static_cast<size_t>(leading) * columns; }
};

struct Exact {
  double value;
  double magnitude;  // the sum of magnitudes, which errors are relative to
};

// Row i of A times column j of B.
inline Exact product_at(const Values& a, const Shape& shape_a, const Values& b,
                        const Shape& shape_b, int i, int j, int depth) {
  const auto at = [](const Values& values, const Shape& shape, int row, int column) {
    if (shape.transposed) std::swap(row, column);
    return values[static_cast<size_t>(column) * shape.leading + row];
  };
  Exact exact{0, 0};
  for (int p = 0; p < depth; ++p) {
    const double term = at(a, shape_a, i, p) * at(b, shape_b, p, j);
    exact.value += term;
    exact.magnitude += std::abs(term);
  }
  return exact;
}

// What `depth` additions in f32 (f64 where the result is) and rounding to the result's type may be off by.
inline double tolerance(const Exact& exact, int depth, cudaDataType result) {
  const double unit = result == CUDA_R_64F ? 0x1p-53 : 0x1p-24;
  return (depth + 4) * unit * exact.magnitude + format_of(result).rounding * std::abs(exact.value);
}

class Handle {
 public:
  Handle() { EXPECT_EQ(cublasCreate_v2(&handle_), CUBLAS_STATUS_SUCCESS); }
  ~Handle() { EXPECT_EQ(cublasDestroy_v2(handle_), CUBLAS_STATUS_SUCCESS); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator cublasHandle_t() const { return handle_; }  // NOLINT(google-explicit-constructor)

 private:
  cublasHandle_t handle_ = nullptr;
};

}  // namespace slipstream::emulator::blas
