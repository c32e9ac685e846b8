// Warp w holds rows 16 * w to 16 * w + 15 of A and of the accumulators. Within a warp, lane l = 4 * group + thread is
// as in mma.sync. Register r of A holds 4 bytes of row group + 8 * (r % 2), from byte 16 * (r / 2) + 4 * thread of the
// depth on. Of every eight columns of accumulators, registers 0 and 1 hold columns 2 * thread and 2 * thread + 1 of
// row group, registers 2 and 3 those of row group + 8; f16 accumulators are two to a register.
#include "emulator/instructions/warpgroup_registers.h"

#include <bit>
#include <cstring>
#include <span>

#include "emulator/arithmetic/half.h"
#include "emulator/instructions/matrix_descriptor.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kGroups = 8;   // of lanes, one for each row
constexpr uint32_t kThreads = 4;  // of a group
constexpr uint32_t kRowsPerWarp = 16;
constexpr uint32_t kColumnsPerBlock = 8;

// One row of a block of eight columns: `even` and `odd` are where its columns are kept.
struct BlockRow {
  uint32_t warp = 0;
  uint32_t half = 0;  // of the warp's rows
  uint32_t block = 0;
  uint32_t group = 0;

  uint32_t row() const { return kRowsPerWarp * warp + kGroups * half + group; }
  uint32_t even() const { return kColumnsPerBlock * block; }
  uint32_t odd() const { return even() + kColumnsPerBlock / 2; }
  uint32_t first_lane() const { return kThreads * group; }
};

template <class Visit>
void for_each_block_row(uint32_t columns, Visit visit) {
  for (uint32_t warp = 0; warp < kWarpsPerWarpgroup; ++warp) {
    for (uint32_t half = 0; half < 2; ++half) {
      for (uint32_t block = 0; block < columns / kColumnsPerBlock; ++block) {
        for (uint32_t group = 0; group < kGroups; ++group) {
          visit(BlockRow{warp, half, block, group});
        }
      }
    }
  }
}

uint32_t packed_halves(uint32_t low, uint32_t high) {
  return pack(to_half(std::bit_cast<float>(low)), to_half(std::bit_cast<float>(high)));
}

void gather_a(const WarpgroupRegisters& registers, const ProductForm& form,
              WarpgroupOperands& operands) {
  for (uint32_t warp = 0; warp < kWarpsPerWarpgroup; ++warp) {
    for (uint32_t r = 0; r < ProductForm::kRegistersOfA; ++r) {
      const auto* const lanes = registers.operand(warp, form.first_of_a() + r);
      for (uint32_t group = 0; group < kGroups; ++group) {
        const uint32_t row = kRowsPerWarp * warp + kGroups * (r % 2) + group;
        constexpr uint32_t kBytes = kThreads * sizeof(uint32_t);
        std::memcpy(operands.a[row].data() + kBytes * (r / 2), lanes + kThreads * group, kBytes);
      }
    }
  }
}

}  // namespace

ProductForm form_of(const Operation& operation) {
  return std::bit_cast<ProductForm>(operation.immediate);
}

WarpgroupRegisters::WarpgroupRegisters(const IssuedProduct& product)
    : offsets_(product.operation->all_operands != nullptr ? product.operation->all_operands
                                                          : product.operation->operands.data()) {
  for (uint32_t warp = 0; warp < kWarpsPerWarpgroup; ++warp) {
    files_[warp] = product.frames[warp]->registers;
  }
}

void gather_accumulators(const WarpgroupRegisters& registers, const ProductForm& form,
                         WarpgroupAccumulators& accumulators) {
  for_each_block_row(form.columns, [&](const BlockRow& at) {
    uint32_t* const row = accumulators.bits[at.row()].data();
    if (form.has(ProductForm::kHalfAccumulators)) {
      const auto* const pairs =
          registers.operand(at.warp, 2 * at.block + at.half) + at.first_lane();
      for (uint32_t i = 0; i < kThreads; ++i) {
        row[at.even() + i] = std::bit_cast<uint32_t>(to_float(low_of<Half>(pairs[i])));
        row[at.odd() + i] = std::bit_cast<uint32_t>(to_float(high_of<Half>(pairs[i])));
      }
      return;
    }
    const uint32_t first = 4 * at.block + 2 * at.half;
    constexpr size_t kBytes = kThreads * sizeof(uint32_t);
    std::memcpy(row + at.even(), registers.operand(at.warp, first) + at.first_lane(), kBytes);
    std::memcpy(row + at.odd(), registers.operand(at.warp, first + 1) + at.first_lane(), kBytes);
  });
}

void scatter_accumulators(const WarpgroupRegisters& registers, const ProductForm& form,
                          const WarpgroupAccumulators& accumulators) {
  for_each_block_row(form.columns, [&](const BlockRow& at) {
    const uint32_t* const row = accumulators.bits[at.row()].data();
    if (form.has(ProductForm::kHalfAccumulators)) {
      auto* const pairs = registers.operand(at.warp, 2 * at.block + at.half) + at.first_lane();
      for (uint32_t i = 0; i < kThreads; ++i) {
        pairs[i] = packed_halves(row[at.even() + i], row[at.odd() + i]);
      }
      return;
    }
    const uint32_t first = 4 * at.block + 2 * at.half;
    constexpr size_t kBytes = kThreads * sizeof(uint32_t);
    std::memcpy(registers.operand(at.warp, first) + at.first_lane(), row + at.even(), kBytes);
    std::memcpy(registers.operand(at.warp, first + 1) + at.first_lane(), row + at.odd(), kBytes);
  });
}

void read_operands(Warp& warp, const IssuedProduct& product, WarpgroupOperands& operands,
                   Watched watched) {
  const ProductForm form = form_of(*product.operation);
  if (form.a_in_registers) {
    gather_a(WarpgroupRegisters(product), form, operands);
  } else {
    read_matrix(warp, product.descriptor_of_a, form.transposes_a ? Major::kRows : Major::kDepth,
                operands.a, watched);
  }
  std::array<WarpgroupOperands::Elements, kWarpgroupColumns> columns;
  read_matrix(warp, product.descriptor_of_b, form.transposes_b ? Major::kRows : Major::kDepth,
              std::span(columns).first(form.columns), watched);
  for (uint32_t column = 0; column < form.columns; ++column) {
    operands.b[place_of_column(column)] = columns[column];
  }
}

void multiply_into(const WarpgroupRegisters& registers, const IssuedProduct& product,
                   const WarpgroupOperands& operands) {
  const ProductForm form = form_of(*product.operation);
  WarpgroupAccumulators accumulators;
  if (product.accumulates) gather_accumulators(registers, form, accumulators);
  warpgroup_multiply(form.a, form.b)(operands,
                                     {.columns = form.columns,
                                      .accumulates = product.accumulates,
                                      .negates = form.has(ProductForm::kNegates),
                                      .saturates = form.has(ProductForm::kSaturates),
                                      .rounds_to_half = form.has(ProductForm::kHalfAccumulators)},
                                     accumulators);
  scatter_accumulators(registers, form, accumulators);
}

}  // namespace slipstream::emulator
