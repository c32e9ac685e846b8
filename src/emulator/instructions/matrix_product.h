// The products of small matrices that lie in the registers of a warp: what mma.sync and wmma share.
//
// Lane l = 4 * group + thread. A register holds E neighboring elements along the depth. Of a tile of R row groups (16
// rows: 2, 8 rows: 1), register r of A holds row group + 8 * (r % R) from depth (4 * (r / R) + thread) * E on, and
// register r of B holds column group from depth (4 * r + thread) * E on. The sums of a lane are in rows group and
// group + 8, and in columns 2 * thread and 2 * thread + 1.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/arithmetic/rounding_mode.h"
#include "emulator/arithmetic/tensor_product.h"
#include "emulator/instructions/aligned.h"
#include "emulator/instructions/matrix_elements.h"

namespace slipstream::emulator {

// --- Whole operands.

inline constexpr uint32_t kMaxDepth = 64;

template <class T>
struct Operands {
  std::array<std::array<T, kMaxDepth>, kTileRows> a;
  std::array<std::array<T, kTileColumns>, kMaxDepth> b;
};

template <class T>
using Sums = std::array<std::array<T, kTileColumns>, kTileRows>;

// Where the registers of a, b and c start among the operands.
struct FirstRegisters {
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
};

template <class Product>
void gather_operands(const Operation& operation, Warp& warp, const FirstRegisters& first,
                     Operands<typename Product::Value>& operands) {
  using A = typename Product::A;
  using B = typename Product::B;
  constexpr uint32_t kRowGroups = Product::kRows / 8;
  for (uint32_t r = 0; r < Product::kCountA; ++r) {
    const auto* const packed =
        listed_operand<const typename A::Register>(operation, warp, first.a + r);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      auto& row = operands.a[lane / 4 + 8 * (r % kRowGroups)];
      const uint32_t block = 4 * (r / kRowGroups) + lane % 4;
      for_each_element<A>(packed[lane], [&](uint32_t i, auto value) {
        row[depth_of<A, Product::kDepth>(block, i)] = value;
      });
    }
  }
  for (uint32_t r = 0; r < Product::kCountB; ++r) {
    const auto* const packed =
        listed_operand<const typename B::Register>(operation, warp, first.b + r);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      const uint32_t block = 4 * r + lane % 4;
      for_each_element<B>(packed[lane], [&](uint32_t i, auto value) {
        operands.b[depth_of<B, Product::kDepth>(block, i)][lane / 4] = value;
      });
    }
  }
}

// Calls visit(row group, lane, row, first column) for the pairs of sums.
template <uint32_t kRows, class Visit>
void for_each_pair(Visit visit) {
  for (uint32_t group = 0; group < kRows / 8; ++group) {
    for (uint32_t lane = 0; lane < kWarpSize; ++lane)
      visit(group, lane, lane / 4 + 8 * group, 2 * (lane % 4));
  }
}

// Sums in registers of their own: f32, s32, f64.
template <class T>
struct Single {
  using Register = T;
  using Value = T;
  template <uint32_t kRows>
  static constexpr uint32_t kCount = kRows / 4;

  template <uint32_t kRows>
  static void gather(const Operation& operation, Warp& warp, uint32_t first, Sums<T>& sums) {
    for_each_pair<kRows>([&](uint32_t group, uint32_t lane, uint32_t row, uint32_t column) {
      sums[row][column] = listed_operand<const T>(operation, warp, first + 2 * group)[lane];
      sums[row][column + 1] = listed_operand<const T>(operation, warp, first + 2 * group + 1)[lane];
    });
  }
  template <uint32_t kRows>
  static void scatter(const Operation& operation, Warp& warp, uint32_t first, const Sums<T>& sums) {
    for_each_pair<kRows>([&](uint32_t group, uint32_t lane, uint32_t row, uint32_t column) {
      listed_operand<T>(operation, warp, first + 2 * group)[lane] = sums[row][column];
      listed_operand<T>(operation, warp, first + 2 * group + 1)[lane] = sums[row][column + 1];
    });
  }
};

// f16 sums, two to a register; as values they are f32.
struct Paired {
  using Register = uint32_t;
  using Value = float;
  template <uint32_t kRows>
  static constexpr uint32_t kCount = kRows / 8;

  template <uint32_t kRows>
  static void gather(const Operation& operation, Warp& warp, uint32_t first, Sums<float>& sums) {
    for_each_pair<kRows>([&](uint32_t group, uint32_t lane, uint32_t row, uint32_t column) {
      const uint32_t pair = listed_operand<const uint32_t>(operation, warp, first + group)[lane];
      sums[row][column] = to_float(low_of<Half>(pair));
      sums[row][column + 1] = to_float(high_of<Half>(pair));
    });
  }
  template <uint32_t kRows>
  static void scatter(const Operation& operation, Warp& warp, uint32_t first,
                      const Sums<float>& sums) {
    for_each_pair<kRows>([&](uint32_t group, uint32_t lane, uint32_t row, uint32_t column) {
      listed_operand<uint32_t>(operation, warp, first + group)[lane] =
          pack(to_half(sums[row][column]), to_half(sums[row][column + 1]));
    });
  }
};

// --- Products: sums += a * b.

// What all of them have. kDepthRegisters: of a lane, along the depth.
template <class ElementA, class ElementB, uint32_t kTileHeight, uint32_t kDepthRegisters>
struct Product {
  using A = ElementA;
  using B = ElementB;
  using Value = ValueOf<A>;
  static constexpr uint32_t kRows = kTileHeight;
  static constexpr uint32_t kCountA = kRows / 8 * kDepthRegisters;
  static constexpr uint32_t kCountB = kDepthRegisters;
  static constexpr uint32_t kDepth = 4 * kDepthRegisters * kPerRegister<A>;
};

inline TileStep step_of(const Operands<float>& operands, uint32_t first, uint32_t depth) {
  TileStep step{};
  for (uint32_t row = 0; row < kTileRows; ++row) {
    std::copy_n(operands.a[row].begin() + first, depth, step.a[row].begin());
  }
  std::copy_n(operands.b.begin() + first, depth, step.b.begin());
  return step;
}

// Rounds the sums to f32 (multiply_add) or f16 (multiply_add_half).
using StepFunction = void (*)(const TileStep& step, uint32_t depth, TileAccumulator& accumulator);

// kSteps: how many parts of the depth the unit adds one after the other.
template <class Element, uint32_t kDepthRegisters, StepFunction kStep, uint32_t kSteps = 1>
struct FloatProduct : Product<Element, Element, 16, kDepthRegisters> {
  static void multiply(const Operation& /*operation*/, const Operands<float>& operands,
                       Sums<float>& sums) {
    constexpr uint32_t kDepth = FloatProduct::kDepth / kSteps;
    TileAccumulator accumulator{sums};
    for (uint32_t step = 0; step < kSteps; ++step) {
      kStep(step_of(operands, step * kDepth, kDepth), kDepth, accumulator);
    }
    sums = accumulator.value;
  }
};

inline float add_floats(float a, float b) { return canonical(a + b); }
inline float add_halves(float a, float b) {
  return to_float(from_double<Half>(double{a} + double{b}));
}

// sm_90 has no fp8 in these units: it widens to f16, multiplies in two steps from zero, and adds c with an ordinary
// addition.
template <class ElementA, class ElementB, uint32_t kDepthRegisters, StepFunction kStep, auto kAdd>
struct Fp8Product : Product<ElementA, ElementB, 16, kDepthRegisters> {
  static void multiply(const Operation& /*operation*/, const Operands<float>& operands,
                       Sums<float>& sums) {
    constexpr uint32_t kStepDepth = Fp8Product::kDepth / 2;
    TileAccumulator accumulator{};
    kStep(step_of(operands, 0, kStepDepth), kStepDepth, accumulator);
    kStep(step_of(operands, kStepDepth, kStepDepth), kStepDepth, accumulator);
    for (uint32_t row = 0; row < kTileRows; ++row) {
      for (uint32_t column = 0; column < kTileColumns; ++column) {
        sums[row][column] = kAdd(sums[row][column], accumulator.value[row][column]);
      }
    }
  }
};

inline int32_t finish_sum(int64_t sum, bool saturates) {
  using Limits = std::numeric_limits<int32_t>;
  return static_cast<int32_t>(saturates ? std::clamp<int64_t>(sum, Limits::min(), Limits::max())
                                        : sum);
}

// Operation::immediate: whether sums saturate.
template <class ElementA, class ElementB, uint32_t kTileHeight, uint32_t kDepthRegisters>
struct IntegerProduct : Product<ElementA, ElementB, kTileHeight, kDepthRegisters> {
  static void multiply(const Operation& operation, const Operands<int32_t>& operands,
                       Sums<int32_t>& sums) {
    for (uint32_t row = 0; row < kTileHeight; ++row) {
      std::array<int32_t, kTileColumns> products{};
      for (uint32_t k = 0; k < IntegerProduct::kDepth; ++k) {
        for (uint32_t column = 0; column < kTileColumns; ++column) {
          products[column] += operands.a[row][k] * operands.b[k][column];
        }
      }
      for (uint32_t column = 0; column < kTileColumns; ++column) {
        sums[row][column] =
            finish_sum(int64_t{sums[row][column]} + products[column], operation.immediate != 0);
      }
    }
  }
};

// Counts the bits that a and b have in common (kAnd), or in which they differ.
template <uint32_t kTileHeight, uint32_t kDepthRegisters, bool kAnd>
struct BitProduct : Product<Bits, Bits, kTileHeight, kDepthRegisters> {
  static void multiply(const Operation& /*operation*/, const Operands<uint32_t>& operands,
                       Sums<int32_t>& sums) {
    for (uint32_t row = 0; row < kTileHeight; ++row) {
      for (uint32_t column = 0; column < kTileColumns; ++column) {
        auto sum = static_cast<uint32_t>(sums[row][column]);
        for (uint32_t k = 0; k < BitProduct::kDepth; ++k) {
          const uint32_t a = operands.a[row][k];
          const uint32_t b = operands.b[k][column];
          sum += static_cast<uint32_t>(std::popcount(kAnd ? a & b : a ^ b));
        }
        sums[row][column] = static_cast<int32_t>(sum);
      }
    }
  }
};

// One fused multiply-add after the other. Operation::immediate: the host's rounding mode.
template <uint32_t kTileHeight, uint32_t kDepthRegisters>
struct DoubleProduct : Product<F64, F64, kTileHeight, kDepthRegisters> {
  static void multiply(const Operation& operation, const Operands<double>& operands,
                       Sums<double>& sums) {
    const RoundingMode mode(static_cast<unsigned>(operation.immediate));
    for (uint32_t k = 0; k < DoubleProduct::kDepth; ++k) {
      for (uint32_t row = 0; row < kTileHeight; ++row) {
        for (uint32_t column = 0; column < kTileColumns; ++column) {
          sums[row][column] =
              std::fma(operands.a[row][k], operands.b[k][column], sums[row][column]);
        }
      }
    }
  }
};

// Sums of a tile: c, which `Read` finds in the registers, and the products.
template <class Product, class Read, class T>
void multiply_tile(const Operation& operation, Warp& warp, const FirstRegisters& first,
                   Sums<T>& sums) {
  Operands<typename Product::Value> operands;
  gather_operands<Product>(operation, warp, first, operands);
  Read::template gather<Product::kRows>(operation, warp, first.c, sums);
  Product::multiply(operation, operands, sums);
}

}  // namespace slipstream::emulator
