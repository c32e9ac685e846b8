// wmma.mma: products of matrices in fragments, larger than one tile of mma.sync.
//
// PTX leaves open which registers hold which elements; here it is as ptxas has it on sm_90, where wmma becomes
// mma.sync. 16x16 is two tiles next to each other, 32x8 two tiles one below the other, and 8x32 is 32x8 transposed: b
// lies where a does there. See matrix_product.h for one tile and wmma_memory.cc for loads and stores.
#include <array>

#include "emulator/instructions/families.h"
#include "emulator/instructions/matrix_operands.h"
#include "emulator/instructions/matrix_product.h"

namespace slipstream::emulator {
namespace {

// Operands: the registers of d, of the rows' fragment, of the columns' fragment, and of c.
template <class Product, class Written, class Read, uint32_t kRowTiles, uint32_t kColumnTiles>
void multiply(const Operation& operation, Warp& warp) {
  constexpr uint32_t kTiles = kRowTiles * kColumnTiles;
  constexpr uint32_t kWritten = Written::template kCount<Product::kRows>;
  constexpr uint32_t kRead = Read::template kCount<Product::kRows>;
  constexpr uint32_t kFirstA = kTiles * kWritten;
  constexpr uint32_t kFirstB = kFirstA + kRowTiles * Product::kCountA;
  constexpr uint32_t kFirstC = kFirstB + kColumnTiles * Product::kCountB;
  // d may be in the registers of a and b.
  std::array<Sums<typename Written::Value>, kTiles> sums;
  for (uint32_t i = 0; i < kTiles; ++i) {
    multiply_tile<Product, Read>(
        operation, warp,
        {kFirstA + i / kColumnTiles * Product::kCountA,
         kFirstB + i % kColumnTiles * Product::kCountB, kFirstC + i * kRead},
        sums[i]);
  }
  for (uint32_t i = 0; i < kTiles; ++i) {
    Written::template scatter<Product::kRows>(operation, warp, i * kWritten, sums[i]);
  }
}

// Fragments of f16 have eight registers whatever the shape: those that a product needs come more than once.
constexpr size_t kHalfRegisters = 8;

template <class Product, class Written, class Read, uint32_t kRowTiles, uint32_t kColumnTiles>
void build_tiles(Builder& builder, bool transposed) {
  constexpr size_t kRows = kRowTiles * Product::kCountA;
  constexpr size_t kColumns = kColumnTiles * Product::kCountB;
  constexpr size_t kTiles = kRowTiles * kColumnTiles;
  constexpr bool kIsHalf = std::is_same_v<typename Product::A, F16>;
  builder.expect_operands(4, 4);
  write_registers<typename Written::Register>(builder, 0,
                                              kTiles * Written::template kCount<Product::kRows>);
  const auto read = [&](size_t index, size_t needed) {
    const auto registers = registers_of(builder, index, kIsHalf ? kHalfRegisters : needed);
    for (const ptx::Operand& one : registers.first(needed)) {
      builder.read(one, kPtxType<typename Product::A::Register>);
    }
  };
  read(transposed ? 2 : 1, kRows);
  read(transposed ? 1 : 2, kColumns);
  read_registers<typename Read::Register>(builder, 3,
                                          kTiles * Read::template kCount<Product::kRows>);
  builder.set_immediate(product_mode(builder));
  builder.set_handler(&execute_aligned<multiply<Product, Written, Read, kRowTiles, kColumnTiles>>);
}

template <class Product, class Written, class Read = Written>
void build_shape(Builder& builder) {
  if (builder.has(".m32n8k16") || builder.has(".m8n32k16")) {
    build_tiles<Product, Written, Read, 2, 1>(builder, builder.has(".m8n32k16"));
  } else {
    build_tiles<Product, Written, Read, 1, 2>(builder, false);
  }
}

// The unit sums up in f16 only if both d and c are f16.
void build_half(Builder& builder) {
  constexpr size_t kTypeOfD = 6;
  constexpr size_t kTypeOfC = 7;
  const bool half_d = builder.slot(kTypeOfD) == ".f16";
  const bool half_c = builder.slot(kTypeOfC) == ".f16";
  if (half_d && half_c)
    return build_shape<FloatProduct<F16, 2, &multiply_add_half>, Paired>(builder);
  with_choice<Paired, Single<float>>(half_d, [&]<class Written>() {
    with_choice<Paired, Single<float>>(half_c, [&]<class Read>() {
      build_shape<FloatProduct<F16, 2, &multiply_add>, Written, Read>(builder);
    });
  });
}

template <class Product, class Sum>
void build_one(Builder& builder) {
  build_tiles<Product, Sum, Sum, 1, 1>(builder, false);
}

constexpr auto kBfloat = &build_shape<FloatProduct<Bf16, 2, &multiply_add>, Single<float>>;
// mma.sync takes a depth of 8 at once, wmma twice one of 4.
constexpr auto kTf32 = &build_shape<FloatProduct<Tf32, 2, &multiply_add, 2>, Single<float>>;
template <class Element>
constexpr auto kBytes = &build_shape<IntegerProduct<Element, Element, 16, 1>, Single<int32_t>>;
template <class Element>
constexpr auto kNibbles = &build_one<IntegerProduct<Element, Element, 8, 1>, Single<int32_t>>;
template <bool kAnd>
constexpr auto kBits = &build_one<BitProduct<8, 1, kAnd>, Single<int32_t>>;

constexpr auto kWmmaForms = std::to_array<Form>({
    {"wmma .mma .sync .aligned (.row|.col) (.row|.col) (.m16n16k16|.m32n8k16|.m8n32k16) "
     "(.f16|.f32) (.f16|.f32)",
     &build_half},
    {"wmma .mma .sync .aligned (.row|.col) (.row|.col) (.m16n16k16|.m32n8k16|.m8n32k16) .f32 .bf16 "
     ".bf16 .f32",
     kBfloat},
    {"wmma .mma .sync .aligned (.row|.col) (.row|.col) .m16n16k8 .f32 .tf32 .tf32 .f32", kTf32},
    {"wmma .mma .sync .aligned (.row|.col) (.row|.col) .m8n8k4 .f64 .f64 .f64 .f64 "
     "[.rn|.rz|.rm|.rp]",
     &build_one<DoubleProduct<8, 1>, Single<double>>},
    {"wmma .mma .sync .aligned (.row|.col) (.row|.col) (.m16n16k16|.m32n8k16|.m8n32k16) .s32 .s8 "
     ".s8 .s32 "
     "[.satfinite]",
     kBytes<S8>},
    {"wmma .mma .sync .aligned (.row|.col) (.row|.col) (.m16n16k16|.m32n8k16|.m8n32k16) .s32 .u8 "
     ".u8 .s32 "
     "[.satfinite]",
     kBytes<U8>},
    {"wmma .mma .sync .aligned .row .col .m8n8k32 .s32 .s4 .s4 .s32 [.satfinite]", kNibbles<S4>},
    {"wmma .mma .sync .aligned .row .col .m8n8k32 .s32 .u4 .u4 .s32 [.satfinite]", kNibbles<U4>},
    {"wmma .mma .and .popc .sync .aligned .row .col .m8n8k128 .s32 .b1 .b1 .s32", kBits<true>},
    {"wmma .mma .xor .popc .sync .aligned .row .col .m8n8k128 .s32 .b1 .b1 .s32", kBits<false>},
});

}  // namespace

Family wmma_family() { return {"Matrix products in fragments", "wmma.cc", kWmmaForms}; }

}  // namespace slipstream::emulator
