// mma.sync.m8n8k4 of f16: four products at once, one by each pair of quads (lanes 4p to 4p + 3 and 16 + 4p to 16 + 4p +
// 3). Made for sm_70; ptxas makes ordinary f32 instructions of it, in the order that is kept here.
//
// In a pair, lane 4h + q is lane q of quad h. Of A, a lane holds row 4h + q (.row), or column q of rows 4h to 4h + 3
// (.col); of B, row q of columns 4h to 4h + 3 (.row), or column 4h + q (.col). Sums in f16 are row 4h + q; sums in f32
// are in rows 4h + q % 2 and two below, and in columns q / 2 * 2 and from 4 on again.
#include <array>
#include <cmath>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/instructions/aligned.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/matrix_operands.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kSize = 8;
constexpr uint32_t kDepth = 4;
constexpr uint32_t kPairs = 4;
constexpr uint32_t kOperandRegisters = kDepth / 2;

struct Matrices {
  std::array<std::array<float, kDepth>, kSize> a;
  std::array<std::array<float, kSize>, kDepth> b;
  std::array<std::array<float, kSize>, kSize> sums;
};

uint32_t lane_of(uint32_t pair, uint32_t index) { return 16 * (index / 4) + 4 * pair + index % 4; }

float half_at(const Operation& operation, Warp& warp, uint32_t first, uint32_t element,
              uint32_t lane) {
  const uint32_t packed =
      listed_operand<const uint32_t>(operation, warp, first + element / 2)[lane];
  return to_float(element % 2 == 0 ? low_of<Half>(packed) : high_of<Half>(packed));
}

template <bool kRowA, bool kRowB>
void gather_operands(const Operation& operation, Warp& warp, uint32_t pair, uint32_t first,
                     Matrices& matrices) {
  for (uint32_t index = 0; index < kSize; ++index) {
    const uint32_t lane = lane_of(pair, index);
    const uint32_t quad = index / 4;
    for (uint32_t i = 0; i < kDepth; ++i) {
      const float a = half_at(operation, warp, first, i, lane);
      const float b = half_at(operation, warp, first + kOperandRegisters, i, lane);
      (kRowA ? matrices.a[index][i] : matrices.a[4 * quad + i][index % 4]) = a;
      (kRowB ? matrices.b[index % 4][4 * quad + i] : matrices.b[i][index]) = b;
    }
  }
}

// Calls visit(lane, element of the lane, row, column).
template <bool kHalf, class Visit>
void for_each_sum(uint32_t pair, Visit visit) {
  for (uint32_t index = 0; index < kSize; ++index) {
    for (uint32_t i = 0; i < kSize; ++i) {
      const uint32_t quad_row = 4 * (index / 4);
      const uint32_t row = kHalf ? index : quad_row + index % 2 + (i & 2U);
      const uint32_t column = kHalf ? i : (i & 4U) + (index & 2U) + i % 2;
      visit(lane_of(pair, index), i, row, column);
    }
  }
}

float sum_of(const Matrices& matrices, uint32_t row, uint32_t column, bool half) {
  const auto& a = matrices.a[row];
  const auto b = [&](uint32_t k) { return matrices.b[k][column]; };
  const float c = matrices.sums[row][column];
  if (half) {
    return c + std::fma(a[1], b(1), a[0] * b(0)) + std::fma(a[3], b(3), a[2] * b(2));
  }
  float products = 0;
  for (uint32_t k = 0; k < kDepth; ++k) products = std::fma(a[k], b(k), products);
  return canonical(c + products);
}

template <bool kRowA, bool kRowB, bool kHalfD, bool kHalfC>
void multiply(const Operation& operation, Warp& warp) {
  constexpr uint32_t kFirstA = kHalfD ? kSize / 2 : kSize;
  constexpr uint32_t kFirstC = kFirstA + 2 * kOperandRegisters;
  std::array<Matrices, kPairs> all;
  for (uint32_t pair = 0; pair < kPairs; ++pair) {
    Matrices& matrices = all[pair];
    gather_operands<kRowA, kRowB>(operation, warp, pair, kFirstA, matrices);
    for_each_sum<kHalfC>(pair, [&](uint32_t lane, uint32_t i, uint32_t row, uint32_t column) {
      matrices.sums[row][column] =
          kHalfC ? half_at(operation, warp, kFirstC, i, lane)
                 : listed_operand<const float>(operation, warp, kFirstC + i)[lane];
    });
  }
  for (uint32_t pair = 0; pair < kPairs; ++pair) {
    for_each_sum<kHalfD>(pair, [&](uint32_t lane, uint32_t i, uint32_t row, uint32_t column) {
      const float sum = sum_of(all[pair], row, column, kHalfD);
      if constexpr (kHalfD) {
        auto& packed = listed_operand<uint32_t>(operation, warp, i / 2)[lane];
        packed = i % 2 == 0 ? pack(to_half(sum), high_of<Half>(packed))
                            : pack(low_of<Half>(packed), to_half(sum));
      } else {
        listed_operand<float>(operation, warp, i)[lane] = sum;
      }
    });
  }
}

template <bool kHalfD, bool kHalfC>
void build_sums(Builder& builder) {
  constexpr size_t kLayoutOfA = 2;
  const bool row_a = builder.slot(kLayoutOfA) == ".row";
  const bool row_b = builder.slot(kLayoutOfA + 1) == ".row";
  builder.expect_operands(4, 4);
  write_registers<uint32_t>(builder, 0, kHalfD ? kSize / 2 : kSize);
  read_registers<uint32_t>(builder, 1, kOperandRegisters);
  read_registers<uint32_t>(builder, 2, kOperandRegisters);
  read_registers<uint32_t>(builder, 3, kHalfC ? kSize / 2 : kSize);
  if (row_a) {
    builder.set_handler(row_b ? &execute_aligned<multiply<true, true, kHalfD, kHalfC>>
                              : &execute_aligned<multiply<true, false, kHalfD, kHalfC>>);
  } else {
    builder.set_handler(row_b ? &execute_aligned<multiply<false, true, kHalfD, kHalfC>>
                              : &execute_aligned<multiply<false, false, kHalfD, kHalfC>>);
  }
}

constexpr auto kQuadPairMmaForms = std::to_array<Form>({
    {"mma .sync .aligned (.row|.col) (.row|.col) .m8n8k4 .f16 .f16 .f16 .f16",
     &build_sums<true, true>},
    {"mma .sync .aligned (.row|.col) (.row|.col) .m8n8k4 .f32 .f16 .f16 .f16",
     &build_sums<false, true>},
    {"mma .sync .aligned (.row|.col) (.row|.col) .m8n8k4 .f32 .f16 .f16 .f32",
     &build_sums<false, false>},
});

}  // namespace

Family quad_pair_family() {
  return {"Matrix products of quad pairs", "quad_pair_mma.cc", kQuadPairMmaForms};
}

}  // namespace slipstream::emulator
