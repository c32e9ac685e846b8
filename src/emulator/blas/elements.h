// Reads and writes elements of any type, as values to compute with: float, double, and complex numbers of the latter.
#pragma once

#include <complex>
#include <type_traits>
#include <vector>

#include "emulator/blas/view.h"

namespace slipstream::emulator::blas {

// In column-major order, without gaps. Defined for float, double and std::complex<double>: real ones take and give all
// real types, the complex one the complex types.
template <class T>
std::vector<T> load(const View& view);
// Rounds to the nearest; fp8 and 8-bit integers saturate, 32-bit integers wrap.
template <class T>
void store(const View& view, const T* values);

// A factor as the type that is computed in; the real part where that is real.
template <class T>
T scalar(std::complex<double> value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value.real());
  } else {
    return T(value);
  }
}

// A single one of any type. Exact.
std::complex<double> load_scalar(const void* address, cudaDataType type);

}  // namespace slipstream::emulator::blas
