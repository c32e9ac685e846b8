#include "emulator/blas/elements.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "emulator/arithmetic/half.h"
#include "emulator/arithmetic/narrow_float.h"
#include "emulator/blas/failure.h"

namespace slipstream::emulator::blas {
namespace {

struct E4m3 {
  static constexpr FloatFormat kFormat = kE4m3Format;
  uint8_t bits;
};
struct E5m2 {
  static constexpr FloatFormat kFormat = kE5m2Format;
  uint8_t bits;
};

template <class Fp8>
float fp8_value(uint8_t bits) {
  static const auto kValues = [] {
    std::array<float, 256> values{};
    for (uint32_t code = 0; code < values.size(); ++code) values[code] = decode(code, Fp8::kFormat);
    return values;
  }();
  return kValues[bits];
}

float value_of(Half stored) { return to_float(stored); }
float value_of(BFloat16 stored) { return to_float(stored); }
float value_of(E4m3 stored) { return fp8_value<E4m3>(stored.bits); }
float value_of(E5m2 stored) { return fp8_value<E5m2>(stored.bits); }
template <class T>
T value_of(T stored) {
  return stored;
}

template <class Stored, class T>
Stored rounded(T value) {
  if constexpr (std::is_same_v<Stored, Half> || std::is_same_v<Stored, BFloat16>) {
    return from_float<Stored>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<Stored, E4m3> || std::is_same_v<Stored, E5m2>) {
    return {static_cast<uint8_t>(encode(static_cast<double>(value), Stored::kFormat,
                                        Rounding::kNearest, /*to_finite=*/true))};
  } else if constexpr (std::is_same_v<Stored, int8_t>) {
    return static_cast<int8_t>(std::clamp<T>(std::nearbyint(value), -128, 127));
  } else if constexpr (std::is_same_v<Stored, int32_t>) {
    return static_cast<int32_t>(static_cast<int64_t>(value));
  } else {
    return static_cast<Stored>(value);
  }
}

template <class Element>
struct Tag {
  using Type = Element;
};

// Calls `visit` with the Tag of what memory holds.
template <class T, class Visit>
void with_type(cudaDataType type, Visit visit) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (type) {
      case CUDA_R_16F:
        return visit(Tag<Half>());
      case CUDA_R_16BF:
        return visit(Tag<BFloat16>());
      case CUDA_R_32F:
        return visit(Tag<float>());
      case CUDA_R_64F:
        return visit(Tag<double>());
      case CUDA_R_8I:
        return visit(Tag<int8_t>());
      case CUDA_R_32I:
        return visit(Tag<int32_t>());
      case CUDA_R_8F_E4M3:
        return visit(Tag<E4m3>());
      case CUDA_R_8F_E5M2:
        return visit(Tag<E5m2>());
      default:
        break;
    }
  } else {
    if (type == CUDA_C_32F) return visit(Tag<std::complex<float>>());
    if (type == CUDA_C_64F) return visit(Tag<std::complex<double>>());
  }
  refuse("matrices of this type are not supported");
}

template <class T>
T conjugate(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return value;
  } else {
    return std::conj(value);
  }
}

// Memory need not be aligned to its elements, so they are copied.
template <class Stored, class T>
void load_elements(const View& view, T* to) {
  for (int64_t column = 0; column < view.columns; ++column) {
    const std::byte* const from =
        view.data + column * view.column_step * static_cast<int64_t>(sizeof(Stored));
    for (int64_t row = 0; row < view.rows; ++row, ++to) {
      Stored stored;
      std::memcpy(&stored, from + row * view.row_step * static_cast<int64_t>(sizeof stored),
                  sizeof stored);
      const T value(value_of(stored));
      *to = view.conjugated ? conjugate(value) : value;
    }
  }
}

template <class Stored, class T>
void store_elements(const View& view, const T* from) {
  for (int64_t column = 0; column < view.columns; ++column) {
    std::byte* const to =
        view.data + column * view.column_step * static_cast<int64_t>(sizeof(Stored));
    for (int64_t row = 0; row < view.rows; ++row, ++from) {
      const auto stored = rounded<Stored>(*from);
      std::memcpy(to + row * view.row_step * static_cast<int64_t>(sizeof stored), &stored,
                  sizeof stored);
    }
  }
}

}  // namespace

template <class T>
std::vector<T> load(const View& view) {
  std::vector<T> values(static_cast<size_t>(view.rows * view.columns));
  with_type<T>(view.type,
               [&](auto tag) { load_elements<typename decltype(tag)::Type>(view, values.data()); });
  return values;
}

template <class T>
void store(const View& view, const T* values) {
  with_type<T>(view.type,
               [&](auto tag) { store_elements<typename decltype(tag)::Type>(view, values); });
}

template std::vector<float> load(const View&);
template std::vector<double> load(const View&);
template std::vector<std::complex<double>> load(const View&);
template void store(const View&, const float*);
template void store(const View&, const double*);
template void store(const View&, const std::complex<double>*);

std::complex<double> load_scalar(const void* address, cudaDataType type) {
  const View view = column_major(address, type, 1, 1, 1);
  return is_complex(type) ? load<std::complex<double>>(view).front() : load<double>(view).front();
}

}  // namespace slipstream::emulator::blas
