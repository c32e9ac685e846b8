// Moving 8x8 matrices of 16-bit elements between shared memory and the registers of a warp.
//
// Lane l holds elements 2 * (l % 4) and 2 * (l % 4) + 1 of row l / 4 of each matrix.
#include <array>
#include <cstring>

#include "emulator/instructions/aligned.h"
#include "emulator/instructions/families.h"
#include "emulator/machine/access.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kRows = 8;
constexpr uint32_t kRowBytes = 16;

using Matrix = std::array<std::array<uint16_t, kRows>, kRows>;

uint32_t fragment(const Matrix& matrix, uint32_t lane) {
  const auto& row = matrix[lane / 4];
  const uint32_t column = 2 * (lane % 4);
  return row[column] | static_cast<uint32_t>(row[column + 1]) << 16U;
}

void set_fragment(Matrix& matrix, uint32_t lane, uint32_t pair) {
  auto& row = matrix[lane / 4];
  const uint32_t column = 2 * (lane % 4);
  row[column] = static_cast<uint16_t>(pair);
  row[column + 1] = static_cast<uint16_t>(pair >> 16U);
}

Matrix transposed(const Matrix& matrix) {
  Matrix result;
  for (uint32_t row = 0; row < kRows; ++row) {
    for (uint32_t column = 0; column < kRows; ++column) result[column][row] = matrix[row][column];
  }
  return result;
}

// Lanes 8i to 8i + 7 give the addresses of the rows of matrix i.
template <uint32_t kMatrices, bool kTransposed>
void load_matrices(const Operation& operation, Warp& warp) {
  std::array<Matrix, kMatrices> matrices;
  const auto* const addresses = operand<const uint64_t>(operation, warp, kMatrices);
  for (uint32_t lane = 0; lane < kMatrices * kRows; ++lane) {
    const uint64_t address = addresses[lane] + static_cast<uint64_t>(operation.immediate);
    load(warp, lane, AddressSpace::kShared, address, matrices[lane / kRows][lane % kRows].data(),
         kRowBytes, kRowBytes);
  }
  for (uint32_t i = 0; i < kMatrices; ++i) {
    const Matrix matrix = kTransposed ? transposed(matrices[i]) : matrices[i];
    auto* const result = operand<uint32_t>(operation, warp, i);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) result[lane] = fragment(matrix, lane);
  }
}

template <uint32_t kMatrices, bool kTransposed>
void store_matrices(const Operation& operation, Warp& warp) {
  const auto* const addresses = operand<const uint64_t>(operation, warp, kMatrices);
  for (uint32_t i = 0; i < kMatrices; ++i) {
    Matrix matrix;
    const auto* const source = operand<const uint32_t>(operation, warp, i);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) set_fragment(matrix, lane, source[lane]);
    if (kTransposed) matrix = transposed(matrix);
    for (uint32_t row = 0; row < kRows; ++row) {
      const uint32_t lane = i * kRows + row;
      const uint64_t address = addresses[lane] + static_cast<uint64_t>(operation.immediate);
      store(warp, lane, AddressSpace::kShared, address, matrix[row].data(), kRowBytes, kRowBytes);
    }
  }
}

void transpose_in_registers(const Operation& operation, Warp& warp) {
  Matrix matrix;
  const auto* const source = operand<const uint32_t>(operation, warp, 1);
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) set_fragment(matrix, lane, source[lane]);
  matrix = transposed(matrix);
  auto* const result = operand<uint32_t>(operation, warp, 0);
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) result[lane] = fragment(matrix, lane);
}

// The registers of a matrix operand: "{%r1, %r2}", or one of them alone or in braces.
std::span<const ptx::Operand> fragments(const Builder& builder, size_t index, uint32_t matrices) {
  const ptx::Operand& operand = builder.operand(index);
  const std::span<const ptx::Operand> registers = operand.kind == ptx::OperandKind::kVector
                                                      ? builder.children(operand)
                                                      : std::span(&operand, 1);
  if (registers.size() != matrices) {
    builder.reject("the number of registers must be the number of matrices");
  }
  return registers;
}

template <uint32_t kMatrices>
void build_load(Builder& builder) {
  builder.expect_operands(2, 2);
  for (const ptx::Operand& result : fragments(builder, 0, kMatrices)) {
    builder.write(result, ptx::Type::kB32);
  }
  builder.read_address(1);
  builder.set_handler(builder.has(".trans") ? &execute_aligned<load_matrices<kMatrices, true>>
                                            : &execute_aligned<load_matrices<kMatrices, false>>);
}

template <uint32_t kMatrices>
void build_store(Builder& builder) {
  builder.expect_operands(2, 2);
  for (const ptx::Operand& source : fragments(builder, 1, kMatrices)) {
    builder.read(source, ptx::Type::kB32);
  }
  builder.read_address(0);
  builder.set_handler(builder.has(".trans") ? &execute_aligned<store_matrices<kMatrices, true>>
                                            : &execute_aligned<store_matrices<kMatrices, false>>);
}

void build_transpose(Builder& builder) {
  read_operands<uint32_t, uint32_t>(builder);
  builder.set_handler(&execute_aligned<transpose_in_registers>);
}

constexpr auto kMatrixForms = std::to_array<Form>({
    {"ldmatrix .sync .aligned .m8n8 .x1 [.trans] (.shared|.shared::cta) .b16", &build_load<1>},
    {"ldmatrix .sync .aligned .m8n8 .x2 [.trans] (.shared|.shared::cta) .b16", &build_load<2>},
    {"ldmatrix .sync .aligned .m8n8 .x4 [.trans] (.shared|.shared::cta) .b16", &build_load<4>},
    {"stmatrix .sync .aligned .m8n8 .x1 [.trans] (.shared|.shared::cta) .b16", &build_store<1>},
    {"stmatrix .sync .aligned .m8n8 .x2 [.trans] (.shared|.shared::cta) .b16", &build_store<2>},
    {"stmatrix .sync .aligned .m8n8 .x4 [.trans] (.shared|.shared::cta) .b16", &build_store<4>},
    {"movmatrix .sync .aligned .m8n8 .trans .b16", &build_transpose},
});

}  // namespace

Family matrix_family() { return {"8x8 matrices", "matrix.cc", kMatrixForms}; }

}  // namespace slipstream::emulator
