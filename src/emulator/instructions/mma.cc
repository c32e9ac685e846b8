// mma.sync: the products of small matrices that lie in the registers of a warp.
//
// Lane l = 4 * group + thread. A 32-bit register holds 1, 2 or 4 neighboring elements along the
// depth. With E elements in a register, register r of A holds row group + 8 * (r % 2) from depth (4
// * (r / 2) + thread) * E on, and register r of B holds column group from depth (4 * r + thread) *
// E on. The accumulators of a lane are in rows group and group + 8, and in columns 2 * thread and 2
// * thread + 1.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/arithmetic/narrow_float.h"
#include "emulator/arithmetic/tensor_product.h"
#include "emulator/instructions/aligned.h"
#include "emulator/instructions/families.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kMaxDepth = 32;

// --- Elements, as they lie in registers.

struct F16 {
  static constexpr uint32_t kBits = 16;
  static float value(uint32_t code) { return to_float(Half{static_cast<uint16_t>(code)}); }
};
struct Bf16 {
  static constexpr uint32_t kBits = 16;
  static float value(uint32_t code) { return std::bit_cast<float>(code << 16U); }
};
struct Tf32 {
  static constexpr uint32_t kBits = 32;
  static float value(uint32_t code) { return std::bit_cast<float>(code & ~0x1fffU); }
};
template <const FloatFormat& kFormat>
struct Fp8 {
  static constexpr uint32_t kBits = 8;
  static float value(uint32_t code) {
    static const auto kValues = [] {
      std::array<float, 256> values{};
      for (uint32_t i = 0; i < values.size(); ++i) values[i] = decode(i, kFormat);
      return values;
    }();
    return kValues[code];
  }
};
using E4m3 = Fp8<kE4m3Format>;
using E5m2 = Fp8<kE5m2Format>;
struct S8 {
  static constexpr uint32_t kBits = 8;
  static int32_t value(uint32_t code) { return static_cast<int8_t>(code); }
};
struct U8 {
  static constexpr uint32_t kBits = 8;
  static int32_t value(uint32_t code) { return static_cast<int32_t>(code); }
};

template <class Element>
using ValueOf = decltype(Element::value(0));

template <class Element>
constexpr uint32_t kPerRegister = 32 / Element::kBits;

template <const FloatFormat& kFormat>
constexpr bool is_fp8(const Fp8<kFormat>* /*element*/) {
  return true;
}
constexpr bool is_fp8(const void* /*element*/) { return false; }

// Where element i of register `block` goes along the depth. Of fp8, the unit takes the first two
// elements of every register in its first step and the others in its second.
template <class Element>
constexpr uint32_t depth_of(uint32_t block, uint32_t i) {
  if constexpr (is_fp8(static_cast<const Element*>(nullptr))) {
    return kTileDepth * (i / 2) + 2 * block + i % 2;
  }
  return block * kPerRegister<Element> + i;
}

// Calls set(i, value) for each element of a register.
template <class Element, class Set>
void for_each_element(uint32_t packed, Set set) {
  for (uint32_t i = 0; i < kPerRegister<Element>; ++i) {
    constexpr uint32_t kMask = Element::kBits == 32 ? ~0U : (1U << (Element::kBits % 32)) - 1;
    set(i, Element::value(packed >> (i * Element::kBits % 32) & kMask));
  }
}

// --- Whole operands.

template <class T>
struct Operands {
  std::array<std::array<T, kMaxDepth>, kTileRows> a;
  std::array<std::array<T, kTileColumns>, kMaxDepth> b;
};

template <class T>
using Accumulators = std::array<std::array<T, kTileColumns>, kTileRows>;

// Where the registers of d, a, b and c are among the operands.
template <uint32_t kD, uint32_t kA, uint32_t kB>
struct Registers {
  static constexpr uint32_t kFirstA = kD;
  static constexpr uint32_t kFirstB = kD + kA;
  static constexpr uint32_t kFirstC = kD + kA + kB;
};

template <class A, class B, uint32_t kFirstA, uint32_t kCountA, uint32_t kCountB, class T>
void gather_operands(const Operation& operation, Warp& warp, Operands<T>& operands) {
  for (uint32_t r = 0; r < kCountA; ++r) {
    const auto* const packed = listed_operand<const uint32_t>(operation, warp, kFirstA + r);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      auto& row = operands.a[lane / 4 + 8 * (r % 2)];
      const uint32_t block = 4 * (r / 2) + lane % 4;
      for_each_element<A>(packed[lane],
                          [&](uint32_t i, auto value) { row[depth_of<A>(block, i)] = value; });
    }
  }
  for (uint32_t r = 0; r < kCountB; ++r) {
    const auto* const packed =
        listed_operand<const uint32_t>(operation, warp, kFirstA + kCountA + r);
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      const uint32_t block = 4 * r + lane % 4;
      for_each_element<B>(packed[lane], [&](uint32_t i, auto value) {
        operands.b[depth_of<B>(block, i)][lane / 4] = value;
      });
    }
  }
}

// Calls visit(register, lane, row, first column) for the pairs of accumulators, two registers of 32
// bits each.
template <class Visit>
void for_each_pair(Visit visit) {
  for (uint32_t half = 0; half < 2; ++half) {
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      visit(half, lane, lane / 4 + 8 * half, 2 * (lane % 4));
    }
  }
}

template <class T>
void gather_accumulators(const Operation& operation, Warp& warp, uint32_t first,
                         Accumulators<T>& c) {
  for_each_pair([&](uint32_t half, uint32_t lane, uint32_t row, uint32_t column) {
    c[row][column] = listed_operand<const T>(operation, warp, first + 2 * half)[lane];
    c[row][column + 1] = listed_operand<const T>(operation, warp, first + 2 * half + 1)[lane];
  });
}

template <class T>
void scatter_accumulators(const Operation& operation, Warp& warp, const Accumulators<T>& d) {
  for_each_pair([&](uint32_t half, uint32_t lane, uint32_t row, uint32_t column) {
    listed_operand<T>(operation, warp, size_t{2} * half)[lane] = d[row][column];
    listed_operand<T>(operation, warp, size_t{2} * half + 1)[lane] = d[row][column + 1];
  });
}

// --- Floating point.

TileStep step_of(const Operands<float>& operands, uint32_t first, uint32_t depth) {
  TileStep step{};
  for (uint32_t row = 0; row < kTileRows; ++row) {
    std::copy_n(operands.a[row].begin() + first, depth, step.a[row].begin());
  }
  std::copy_n(operands.b.begin() + first, depth, step.b.begin());
  return step;
}

template <class A, class B, uint32_t kCountA, uint32_t kCountB>
void multiply_float(const Operation& operation, Warp& warp) {
  using Layout = Registers<4, kCountA, kCountB>;
  Operands<float> operands;
  TileAccumulator accumulator;
  gather_operands<A, B, Layout::kFirstA, kCountA, kCountB>(operation, warp, operands);
  gather_accumulators(operation, warp, Layout::kFirstC, accumulator.value);
  constexpr uint32_t kDepth = 4 * kCountB * kPerRegister<B>;
  multiply_add(step_of(operands, 0, kDepth), kDepth, accumulator);
  scatter_accumulators(operation, warp, accumulator.value);
}

// sm_90 has no fp8 in these units: it widens to f16, multiplies in two steps from zero, and adds c
// with an ordinary f32 addition.
template <class A, class B, uint32_t kCountA, uint32_t kCountB>
void multiply_fp8(const Operation& operation, Warp& warp) {
  using Layout = Registers<4, kCountA, kCountB>;
  Operands<float> operands;
  Accumulators<float> c;
  gather_operands<A, B, Layout::kFirstA, kCountA, kCountB>(operation, warp, operands);
  gather_accumulators(operation, warp, Layout::kFirstC, c);
  TileAccumulator accumulator{};
  constexpr uint32_t kDepth = 4 * kCountB * kPerRegister<B>;
  for (uint32_t first = 0; first < kDepth; first += kTileDepth) {
    multiply_add(step_of(operands, first, kTileDepth), kTileDepth, accumulator);
  }
  for (uint32_t row = 0; row < kTileRows; ++row) {
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      c[row][column] = canonical(c[row][column] + accumulator.value[row][column]);
    }
  }
  scatter_accumulators(operation, warp, c);
}

// f16 accumulators: two to a register.
template <uint32_t kCountA, uint32_t kCountB>
void multiply_half(const Operation& operation, Warp& warp) {
  using Layout = Registers<2, kCountA, kCountB>;
  Operands<float> operands;
  TileAccumulator accumulator;
  gather_operands<F16, F16, Layout::kFirstA, kCountA, kCountB>(operation, warp, operands);
  for_each_pair([&](uint32_t half, uint32_t lane, uint32_t row, uint32_t column) {
    const uint32_t pair =
        listed_operand<const uint32_t>(operation, warp, Layout::kFirstC + half)[lane];
    accumulator.value[row][column] = to_float(low_of<Half>(pair));
    accumulator.value[row][column + 1] = to_float(high_of<Half>(pair));
  });
  constexpr uint32_t kDepth = 4 * kCountB * kPerRegister<F16>;
  multiply_add_half(step_of(operands, 0, kDepth), kDepth, accumulator);
  for_each_pair([&](uint32_t half, uint32_t lane, uint32_t row, uint32_t column) {
    listed_operand<uint32_t>(operation, warp, half)[lane] =
        pack(to_half(accumulator.value[row][column]), to_half(accumulator.value[row][column + 1]));
  });
}

// --- Integers.

int32_t finish_sum(int64_t sum, bool saturates) {
  using Limits = std::numeric_limits<int32_t>;
  return static_cast<int32_t>(saturates ? std::clamp<int64_t>(sum, Limits::min(), Limits::max())
                                        : sum);
}

template <class A, class B, uint32_t kCountA, uint32_t kCountB>
void multiply_integer(const Operation& operation, Warp& warp) {
  using Layout = Registers<4, kCountA, kCountB>;
  Operands<int32_t> operands;
  Accumulators<int32_t> c;
  gather_operands<A, B, Layout::kFirstA, kCountA, kCountB>(operation, warp, operands);
  gather_accumulators(operation, warp, Layout::kFirstC, c);
  constexpr uint32_t kDepth = 4 * kCountB * kPerRegister<B>;
  for (uint32_t row = 0; row < kTileRows; ++row) {
    std::array<int32_t, kTileColumns> products{};
    for (uint32_t k = 0; k < kDepth; ++k) {
      for (uint32_t column = 0; column < kTileColumns; ++column) {
        products[column] += operands.a[row][k] * operands.b[k][column];
      }
    }
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      c[row][column] =
          finish_sum(int64_t{c[row][column]} + products[column], operation.immediate != 0);
    }
  }
  scatter_accumulators(operation, warp, c);
}

// --- Building.

void add_registers(Builder& builder, size_t index, uint32_t count, bool is_written) {
  const ptx::Operand& operand = builder.operand(index);
  const auto registers = operand.kind == ptx::OperandKind::kVector
                             ? builder.children(operand)
                             : std::span<const ptx::Operand>(&operand, 1);
  if (registers.size() != count) {
    builder.reject("an operand has another number of registers than the shape needs");
  }
  for (const ptx::Operand& one : registers) {
    is_written ? builder.write(one, ptx::Type::kB32) : builder.read(one, ptx::Type::kB32);
  }
}

template <auto kMultiply, uint32_t kCountD, uint32_t kCountA, uint32_t kCountB>
void build_mma(Builder& builder) {
  builder.expect_operands(4, 4);
  add_registers(builder, 0, kCountD, true);
  add_registers(builder, 1, kCountA, false);
  add_registers(builder, 2, kCountB, false);
  add_registers(builder, 3, kCountD, false);
  builder.set_immediate(builder.has(".satfinite") ? 1 : 0);
  builder.set_handler(&execute_aligned<kMultiply>);
}

template <class Element, uint32_t kCountA, uint32_t kCountB>
constexpr auto kFloat =
    &build_mma<&multiply_float<Element, Element, kCountA, kCountB>, 4, kCountA, kCountB>;
template <uint32_t kCountA, uint32_t kCountB>
constexpr auto kHalf = &build_mma<&multiply_half<kCountA, kCountB>, 2, kCountA, kCountB>;
template <class A, class B>
constexpr auto kFp8 = &build_mma<&multiply_fp8<A, B, 4, 2>, 4, 4, 2>;
template <class A, class B, uint32_t kCountA, uint32_t kCountB>
constexpr auto kInteger =
    &build_mma<&multiply_integer<A, B, kCountA, kCountB>, 4, kCountA, kCountB>;

constexpr auto kForms = std::to_array<Form>({
    {"mma .sync .aligned .m16n8k16 .row .col .f32 .f16 .f16 .f32", kFloat<F16, 4, 2>},
    {"mma .sync .aligned .m16n8k8 .row .col .f32 .f16 .f16 .f32", kFloat<F16, 2, 1>},
    {"mma .sync .aligned .m16n8k16 .row .col .f32 .bf16 .bf16 .f32", kFloat<Bf16, 4, 2>},
    {"mma .sync .aligned .m16n8k8 .row .col .f32 .bf16 .bf16 .f32", kFloat<Bf16, 2, 1>},
    {"mma .sync .aligned .m16n8k8 .row .col .f32 .tf32 .tf32 .f32", kFloat<Tf32, 4, 2>},
    {"mma .sync .aligned .m16n8k4 .row .col .f32 .tf32 .tf32 .f32", kFloat<Tf32, 2, 1>},
    {"mma .sync .aligned .m16n8k16 .row .col .f16 .f16 .f16 .f16", kHalf<4, 2>},
    {"mma .sync .aligned .m16n8k8 .row .col .f16 .f16 .f16 .f16", kHalf<2, 1>},
    {"mma .sync .aligned .m16n8k32 .row .col .f32 .e4m3 .e4m3 .f32", kFp8<E4m3, E4m3>},
    {"mma .sync .aligned .m16n8k32 .row .col .f32 .e4m3 .e5m2 .f32", kFp8<E4m3, E5m2>},
    {"mma .sync .aligned .m16n8k32 .row .col .f32 .e5m2 .e4m3 .f32", kFp8<E5m2, E4m3>},
    {"mma .sync .aligned .m16n8k32 .row .col .f32 .e5m2 .e5m2 .f32", kFp8<E5m2, E5m2>},
    {"mma .sync .aligned .m16n8k32 .row .col [.satfinite] .s32 .s8 .s8 .s32",
     kInteger<S8, S8, 4, 2>},
    {"mma .sync .aligned .m16n8k32 .row .col [.satfinite] .s32 .s8 .u8 .s32",
     kInteger<S8, U8, 4, 2>},
    {"mma .sync .aligned .m16n8k32 .row .col [.satfinite] .s32 .u8 .s8 .s32",
     kInteger<U8, S8, 4, 2>},
    {"mma .sync .aligned .m16n8k32 .row .col [.satfinite] .s32 .u8 .u8 .s32",
     kInteger<U8, U8, 4, 2>},
    {"mma .sync .aligned .m16n8k16 .row .col [.satfinite] .s32 .s8 .s8 .s32",
     kInteger<S8, S8, 2, 1>},
    {"mma .sync .aligned .m16n8k16 .row .col [.satfinite] .s32 .s8 .u8 .s32",
     kInteger<S8, U8, 2, 1>},
    {"mma .sync .aligned .m16n8k16 .row .col [.satfinite] .s32 .u8 .s8 .s32",
     kInteger<U8, S8, 2, 1>},
    {"mma .sync .aligned .m16n8k16 .row .col [.satfinite] .s32 .u8 .u8 .s32",
     kInteger<U8, U8, 2, 1>},
});

}  // namespace

Family mma_family() { return {"Matrix products", "mma.cc", kForms}; }

}  // namespace slipstream::emulator
