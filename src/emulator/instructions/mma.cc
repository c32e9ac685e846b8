// mma.sync: one tile. See matrix_product.h for where its elements lie.
#include <array>

#include "emulator/instructions/families.h"
#include "emulator/instructions/matrix_operands.h"
#include "emulator/instructions/matrix_product.h"

namespace slipstream::emulator {
namespace {

// Operands: the registers of d, a, b and c.
template <class Product, class Sum>
void multiply(const Operation& operation, Warp& warp) {
  constexpr uint32_t kCountD = Sum::template kCount<Product::kRows>;
  constexpr FirstRegisters kFirst{kCountD, kCountD + Product::kCountA,
                                  kCountD + Product::kCountA + Product::kCountB};
  Sums<typename Sum::Value> sums;
  multiply_tile<Product, Sum>(operation, warp, kFirst, sums);
  Sum::template scatter<Product::kRows>(operation, warp, 0, sums);
}

template <class Product, class Sum>
void build_mma(Builder& builder) {
  constexpr uint32_t kCountD = Sum::template kCount<Product::kRows>;
  builder.expect_operands(4, 4);
  write_registers<typename Sum::Register>(builder, 0, kCountD);
  read_registers<typename Product::A::Register>(builder, 1, Product::kCountA);
  read_registers<typename Product::B::Register>(builder, 2, Product::kCountB);
  read_registers<typename Sum::Register>(builder, 3, kCountD);
  builder.set_immediate(product_mode(builder));
  builder.set_handler(&execute_aligned<multiply<Product, Sum>>);
}

template <class Element, uint32_t kDepthRegisters>
constexpr auto kFloat =
    &build_mma<FloatProduct<Element, kDepthRegisters, &multiply_add>, Single<float>>;
template <uint32_t kDepthRegisters>
constexpr auto kHalf = &build_mma<FloatProduct<F16, kDepthRegisters, &multiply_add_half>, Paired>;
template <uint32_t kRows, uint32_t kDepthRegisters>
constexpr auto kDouble = &build_mma<DoubleProduct<kRows, kDepthRegisters>, Single<double>>;

// Slots of the patterns: a has its type before that of b.
constexpr size_t kTypeOfA = 6;
constexpr size_t kTypeOfB = 7;

template <uint32_t kDepthRegisters, bool kHalfSums>
void build_fp8(Builder& builder) {
  with_choice<E4m3, E5m2>(builder.slot(kTypeOfA) == ".e4m3", [&]<class A>() {
    with_choice<E4m3, E5m2>(builder.slot(kTypeOfB) == ".e4m3", [&]<class B>() {
      if constexpr (kHalfSums) {
        build_mma<Fp8Product<A, B, kDepthRegisters, &multiply_add_half, &add_halves>, Paired>(
            builder);
      } else {
        build_mma<Fp8Product<A, B, kDepthRegisters, &multiply_add, &add_floats>, Single<float>>(
            builder);
      }
    });
  });
}
template <class Signed, class Unsigned, uint32_t kRows, uint32_t kDepthRegisters>
void build_integer(Builder& builder) {
  const auto is_signed = [&](size_t slot) { return builder.slot(slot).starts_with(".s"); };
  with_choice<Signed, Unsigned>(is_signed(kTypeOfA), [&]<class A>() {
    with_choice<Signed, Unsigned>(is_signed(kTypeOfB), [&]<class B>() {
      build_mma<IntegerProduct<A, B, kRows, kDepthRegisters>, Single<int32_t>>(builder);
    });
  });
}
template <uint32_t kRows, uint32_t kDepthRegisters>
void build_bits(Builder& builder) {
  builder.has(".and")
      ? build_mma<BitProduct<kRows, kDepthRegisters, true>, Single<int32_t>>(builder)
      : build_mma<BitProduct<kRows, kDepthRegisters, false>, Single<int32_t>>(builder);
}

constexpr auto kMmaForms = std::to_array<Form>({
    {"mma .sync .aligned .m16n8k16 .row .col .f32 .f16 .f16 .f32", kFloat<F16, 2>},
    {"mma .sync .aligned .m16n8k8 .row .col .f32 .f16 .f16 .f32", kFloat<F16, 1>},
    {"mma .sync .aligned .m16n8k16 .row .col .f16 .f16 .f16 .f16", kHalf<2>},
    {"mma .sync .aligned .m16n8k8 .row .col .f16 .f16 .f16 .f16", kHalf<1>},
    {"mma .sync .aligned .m16n8k16 .row .col .f32 .bf16 .bf16 .f32", kFloat<Bf16, 2>},
    {"mma .sync .aligned .m16n8k8 .row .col .f32 .bf16 .bf16 .f32", kFloat<Bf16, 1>},
    {"mma .sync .aligned .m16n8k8 .row .col .f32 .tf32 .tf32 .f32", kFloat<Tf32, 2>},
    {"mma .sync .aligned .m16n8k4 .row .col .f32 .tf32 .tf32 .f32", kFloat<Tf32, 1>},
    {"mma .sync .aligned .m16n8k32 .row .col .f32 (.e4m3|.e5m2) (.e4m3|.e5m2) .f32",
     &build_fp8<2, false>},
    {"mma .sync .aligned .m16n8k16 .row .col .f32 (.e4m3|.e5m2) (.e4m3|.e5m2) .f32",
     &build_fp8<1, false>},
    {"mma .sync .aligned .m16n8k32 .row .col .f16 (.e4m3|.e5m2) (.e4m3|.e5m2) .f16",
     &build_fp8<2, true>},
    {"mma .sync .aligned .m16n8k16 .row .col .f16 (.e4m3|.e5m2) (.e4m3|.e5m2) .f16",
     &build_fp8<1, true>},
    {"mma .sync .aligned .m8n8k4 .row .col .f64 .f64 .f64 .f64 [.rn|.rz|.rm|.rp]", kDouble<8, 1>},
    {"mma .sync .aligned .m16n8k4 .row .col .f64 .f64 .f64 .f64 [.rn|.rz|.rm|.rp]", kDouble<16, 1>},
    {"mma .sync .aligned .m16n8k8 .row .col .f64 .f64 .f64 .f64 [.rn|.rz|.rm|.rp]", kDouble<16, 2>},
    {"mma .sync .aligned .m16n8k16 .row .col .f64 .f64 .f64 .f64 [.rn|.rz|.rm|.rp]",
     kDouble<16, 4>},
    {"mma .sync .aligned .m8n8k16 .row .col .s32 (.s8|.u8) (.s8|.u8) .s32 [.satfinite]",
     &build_integer<S8, U8, 8, 1>},
    {"mma .sync .aligned .m16n8k16 .row .col .s32 (.s8|.u8) (.s8|.u8) .s32 [.satfinite]",
     &build_integer<S8, U8, 16, 1>},
    {"mma .sync .aligned .m16n8k32 .row .col .s32 (.s8|.u8) (.s8|.u8) .s32 [.satfinite]",
     &build_integer<S8, U8, 16, 2>},
    {"mma .sync .aligned .m8n8k32 .row .col .s32 (.s4|.u4) (.s4|.u4) .s32 [.satfinite]",
     &build_integer<S4, U4, 8, 1>},
    {"mma .sync .aligned .m16n8k32 .row .col .s32 (.s4|.u4) (.s4|.u4) .s32 [.satfinite]",
     &build_integer<S4, U4, 16, 1>},
    {"mma .sync .aligned .m16n8k64 .row .col .s32 (.s4|.u4) (.s4|.u4) .s32 [.satfinite]",
     &build_integer<S4, U4, 16, 2>},
    {"mma .sync .aligned .m8n8k128 .row .col .s32 .b1 .b1 .s32 (.and|.xor) .popc",
     &build_bits<8, 1>},
    {"mma .sync .aligned .m16n8k128 .row .col .s32 .b1 .b1 .s32 (.and|.xor) .popc",
     &build_bits<16, 1>},
    {"mma .sync .aligned .m16n8k256 .row .col .s32 .b1 .b1 .s32 (.and|.xor) .popc",
     &build_bits<16, 2>},
});

}  // namespace

Family mma_family() { return {"Matrix products", "mma.cc", kMmaForms}; }

}  // namespace slipstream::emulator
