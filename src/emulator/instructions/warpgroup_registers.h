// wgmma.mma_async: what its operands say, and the matrices that lie in the registers of a warpgroup.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "emulator/arithmetic/warpgroup_product.h"
#include "emulator/machine/access.h"
#include "emulator/machine/warp.h"
#include "emulator/machine/warpgroup.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

// What a wgmma.mma_async multiplies, and how: Operation::immediate. The operation's operands are the registers of the
// accumulators, the four of A or its descriptor, the descriptor of B, and the predicate scale-d.
struct ProductForm {
  uint16_t columns = 0;
  ElementType a = ElementType::kF16;
  ElementType b = ElementType::kF16;
  bool a_in_registers = false;
  bool transposes_a = false;
  bool transposes_b = false;
  uint8_t modes = 0;

  static constexpr uint8_t kNegates = 1;
  static constexpr uint8_t kSaturates = 2;
  static constexpr uint8_t kHalfAccumulators = 4;

  bool has(uint8_t mode) const { return (modes & mode) != 0; }
  uint32_t accumulator_registers() const {
    return has(kHalfAccumulators) ? columns / 4U : columns / 2U;
  }
  // Where among the operands.
  uint32_t first_of_a() const { return accumulator_registers(); }
  uint32_t descriptor_of_b() const { return first_of_a() + (a_in_registers ? kRegistersOfA : 1); }
  uint32_t scale_of_d() const { return descriptor_of_b() + 1; }

  static constexpr uint32_t kRegistersOfA = 4;
};
static_assert(sizeof(ProductForm) == sizeof(int64_t));

ProductForm form_of(const Operation& operation);

// Column `column` of B and of the accumulators is kept at this place: of eight, the even ones come
// first, because they lie in registers of their own.
constexpr uint32_t place_of_column(uint32_t column) {
  return column / 8 * 8 + column % 2 * 4 + column % 8 / 2;
}

// Operands of one operation in the register files of the four warps.
class WarpgroupRegisters {
 public:
  using Files = std::array<std::byte*, kWarpsPerWarpgroup>;

  explicit WarpgroupRegisters(const IssuedProduct& product);
  // Operand i is at `offsets[i]` of each file.
  WarpgroupRegisters(const Files& files, const uint32_t* offsets)
      : files_(files), offsets_(offsets) {}

  // The 32 lanes of an operand.
  uint32_t* operand(uint32_t warp, uint32_t index) const {
    return reinterpret_cast<uint32_t*>(files_[warp] + offsets_[index]);
  }

 private:
  Files files_;
  const uint32_t* offsets_;
};

// A and B, from registers and from the shared memory of the warp's CTA.
void read_operands(Warp& warp, const IssuedProduct& product, WarpgroupOperands& operands,
                   Watched watched = Watched::kNotYet);
// The accumulators: operand 0 and those that follow it.
void gather_accumulators(const WarpgroupRegisters& registers, const ProductForm& form,
                         WarpgroupAccumulators& accumulators);
void scatter_accumulators(const WarpgroupRegisters& registers, const ProductForm& form,
                          const WarpgroupAccumulators& accumulators);

// Multiplies, and adds to what is in the accumulators' registers.
void multiply_into(const WarpgroupRegisters& registers, const IssuedProduct& product,
                   const WarpgroupOperands& operands);

}  // namespace slipstream::emulator
