// A tensor passed by the caller: address, element type, shape and strides. Owns nothing.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace slipstream {

enum class DType : uint8_t {
  kFloat32,
  kBFloat16,
  kFloat16,
  kFloat8E4M3,  // e4m3fn: finite range +-448, NaN, no infinity
  kFloat8E5M2,
  kInt8,
  kUInt8,
  kInt32,
  kInt64,
};

// Bytes of one element.
[[nodiscard]] int64_t size_of(DType dtype);
// "bfloat16", "float8_e4m3fn", ...: PyTorch's names.
[[nodiscard]] std::string to_string(DType dtype);

inline constexpr int kMaxRank = 4;

// Shape and strides count elements. A default-constructed Tensor stands for an optional argument
// that is absent.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::kUInt8;
  int rank = 0;
  std::array<int64_t, kMaxRank> shape{};
  std::array<int64_t, kMaxRank> strides{};

  Tensor() = default;
  // A contiguous row-major tensor.
  Tensor(void* data, DType dtype, std::initializer_list<int64_t> shape);
  Tensor(void* data, DType dtype, std::initializer_list<int64_t> shape,
         std::initializer_list<int64_t> strides);

  [[nodiscard]] bool absent() const { return rank == 0; }
  [[nodiscard]] int64_t numel() const;
  [[nodiscard]] bool contiguous() const;
  // "bfloat16[4, 576] with strides [576, 1]"
  [[nodiscard]] std::string describe() const;
};

}  // namespace slipstream
