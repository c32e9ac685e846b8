// D = alpha * A * B + beta * C, and what cuBLASLt does with it on the way to memory.
#pragma once

#include <complex>
#include <vector>

#include "emulator/blas/view.h"

namespace slipstream::emulator::blas {

// What a product is computed in: sums are kept in it until they are stored. Integers are computed in kDouble, exactly;
// complex numbers of either precision in double.
enum class Arithmetic : uint8_t { kFloat, kDouble, kComplex };

enum class Activation : uint8_t { kNone, kRelu, kGelu, kReluGradient, kGeluGradient };

// What is summed up into Product::sums: over the columns of the result, of A, or over the rows of B.
enum class SumsOf : uint8_t { kNothing, kResult, kA, kB };

// Bits, column after column: which elements an activation let through.
struct Mask {
  std::byte* data = nullptr;
  int64_t leading = 0;  // bits from column to column
};

// Factors of a matrix with few values, as fp8: one for all of it, or one for each row of A or column of B.
struct Factors {
  const float* data = nullptr;
  bool is_vector = false;
};

struct Product {
  Arithmetic arithmetic = Arithmetic::kFloat;
  View a;  // rows of D by depth, transposed already
  View b;
  View c;  // not read where beta is 0
  View d;
  std::complex<double> alpha = 1;
  std::complex<double> beta = 0;

  View bias;  // a value for each row of D
  Activation activation = Activation::kNone;
  View auxiliary;  // what GELU is applied to: written, or read by the gradient
  Mask mask;       // the same of ReLU
  SumsOf sums_of = SumsOf::kNothing;
  View sums;
  Factors a_factors;
  Factors b_factors;
  const float* c_factor = nullptr;
  const float* d_factor = nullptr;
  float* largest = nullptr;  // takes the largest magnitude of what is stored, before d_factor
};

[[nodiscard]] std::vector<runtime::MemoryUse> uses_of(const Product& product);
void run(const Product& product);

}  // namespace slipstream::emulator::blas
