// mma.sync and wmma against plain products: where elements lie, as PTX has it, and what is summed up.
#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <random>

#include "emulator/arithmetic/narrow_float.h"
#include "lane_program.h"

namespace slipstream::emulator {
namespace {

uint16_t to_half(float value) {
  return static_cast<uint16_t>(encode(value, kF16Format, Rounding::kNearest, false));
}
uint16_t to_bfloat16(float value) {
  return static_cast<uint16_t>(encode(value, kBf16Format, Rounding::kNearest, false));
}
uint32_t pack(uint16_t low, uint16_t high) { return low | static_cast<uint32_t>(high) << 16U; }

// --- mma.sync with 32-bit registers: the warp's operands in, its sums out.

using Words = std::vector<uint32_t>;  // [register][lane]

std::string register_list(uint32_t first, uint32_t count) {
  std::string list = "{";
  for (uint32_t i = 0; i < count; ++i) list += fmt::format("{}%r{}", i == 0 ? "" : ", ", first + i);
  return list + "}";
}

// Operands a, b and c of that many registers each, one after the other in `inputs`; d has as many as c.
Words multiply(std::string_view instruction, std::array<uint32_t, 3> counts, const Words& inputs) {
  const uint32_t total = counts[0] + counts[1] + counts[2];
  std::string body = R"(
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r0, %laneid;
    mul.wide.u32 %rd3, %r0, 4;
    add.s64 %rd1, %rd1, %rd3;
    add.s64 %rd2, %rd2, %rd3;
)";
  for (uint32_t i = 0; i < total; ++i)
    body += fmt::format("ld.global.u32 %r{}, [%rd1+{}];\n", 10 + i, 128 * i);
  body += fmt::format("{} {}, {}, {}, {};\n", instruction, register_list(40, counts[2]),
                      register_list(10, counts[0]), register_list(10 + counts[0], counts[1]),
                      register_list(10 + counts[0] + counts[1], counts[2]));
  for (uint32_t i = 0; i < counts[2]; ++i)
    body += fmt::format("st.global.u32 [%rd2+{}], %r{};\n", 128 * i, 40 + i);
  TestDevice test(module_of(".param .u64 in, .param .u64 out", body + "ret;"));
  const uint64_t out = test.upload(Words(size_t{32} * counts[2]), "out");
  const auto fault = test.run(test.launch({test.upload(inputs, "in"), out}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint32_t>(out, size_t{32} * counts[2]);
}

Words random_words(size_t count) {
  std::mt19937 random(count);
  Words words(count);
  for (uint32_t& word : words) word = random();
  return words;
}

// Element `i` of `bits` bits of a register, signed or not.
int64_t element(uint32_t word, uint32_t bits, uint32_t i, bool is_signed) {
  const uint32_t code = bits == 32 ? word : word >> (bits * i) & ((1U << bits) - 1);
  return is_signed && (code >> (bits - 1)) != 0 ? int64_t{code} - (int64_t{1} << bits) : code;
}

struct IntegerCase {
  std::string_view instruction;
  uint32_t rows;
  uint32_t depth;
  uint32_t bits;
  bool signed_a;
  bool signed_b;
};

// PTX's formulas, element by element.
void expect_product(const IntegerCase& c, const std::function<int64_t(int64_t, int64_t)>& combine) {
  const uint32_t per_register = 32 / c.bits;
  const uint32_t depth_registers = c.depth / per_register / 4;
  const uint32_t a_registers = depth_registers * c.rows / 8;
  const std::array<uint32_t, 3> counts = {a_registers, depth_registers, c.rows / 4};
  const Words inputs = random_words(size_t{32} * (counts[0] + counts[1] + counts[2]));
  const Words sums = multiply(c.instruction, counts, inputs);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t i = 0; i < counts[2]; ++i) {
      const uint32_t row = lane / 4 + (i < 2 ? 0 : 8);
      const uint32_t column = 2 * (lane % 4) + i % 2;
      const size_t place = i * 32 + lane;
      int64_t sum = static_cast<int32_t>(inputs[size_t{32} * (counts[0] + counts[1]) + place]);
      for (uint32_t k = 0; k < c.depth; ++k) {
        const uint32_t thread = k / per_register % 4;
        const uint32_t half = k / per_register / 4;
        const uint32_t a_register = c.rows == 8 ? half : row / 8 + 2 * half;
        const uint32_t a = inputs[a_register * 32 + row % 8 * 4 + thread];
        const uint32_t b = inputs[(counts[0] + half) * 32 + column * 4 + thread];
        sum += combine(element(a, c.bits, k % per_register, c.signed_a),
                       element(b, c.bits, k % per_register, c.signed_b));
      }
      ASSERT_EQ(sums[place], static_cast<uint32_t>(sum))
          << c.instruction << ", lane " << lane << ", sum " << i;
    }
  }
}

TEST(MatrixProduct, MultipliesIntegersOfEveryShape) {
  const auto product = [](int64_t a, int64_t b) { return a * b; };
  expect_product({"mma.sync.aligned.m8n8k16.row.col.s32.s8.u8.s32", 8, 16, 8, true, false},
                 product);
  expect_product({"mma.sync.aligned.m16n8k16.row.col.s32.u8.s8.s32", 16, 16, 8, false, true},
                 product);
  expect_product({"mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32", 16, 32, 8, false, false},
                 product);
  expect_product({"mma.sync.aligned.m8n8k32.row.col.s32.s4.s4.s32", 8, 32, 4, true, true}, product);
  expect_product({"mma.sync.aligned.m16n8k32.row.col.s32.s4.u4.s32", 16, 32, 4, true, false},
                 product);
  expect_product({"mma.sync.aligned.m16n8k64.row.col.s32.u4.s4.s32", 16, 64, 4, false, true},
                 product);
}

TEST(MatrixProduct, CountsBits) {
  const auto both = [](int64_t a, int64_t b) { return a & b; };
  const auto either = [](int64_t a, int64_t b) { return a ^ b; };
  expect_product(
      {"mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.and.popc", 8, 128, 1, false, false}, both);
  expect_product(
      {"mma.sync.aligned.m16n8k128.row.col.s32.b1.b1.s32.xor.popc", 16, 128, 1, false, false},
      either);
  expect_product(
      {"mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc", 16, 256, 1, false, false},
      both);
}

TEST(MatrixProduct, SaturatesOnlyIfToldTo) {
  Words inputs(32 * 4, 0x7f7f7f7f);
  std::fill(inputs.begin() + 64, inputs.end(), 0x7fffffff);
  const auto plain = multiply("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32", {1, 1, 2}, inputs);
  const auto saturated =
      multiply("mma.sync.aligned.m8n8k16.row.col.satfinite.s32.s8.s8.s32", {1, 1, 2}, inputs);
  EXPECT_EQ(plain[0], 0x7fffffffU + 16 * 127 * 127);
  EXPECT_EQ(saturated[0], 0x7fffffffU);
}

// e4m3 1 is 0x38, 2 is 0x40.
TEST(MatrixProduct, AddsProductsOfFp8ToHalves) {
  Words inputs(32 * 5, 0x38383838);
  std::fill(inputs.begin() + 64, inputs.begin() + 96, 0x40404040);                  // b
  std::fill(inputs.begin() + 96, inputs.end(), pack(to_half(0.5F), to_half(-32)));  // c
  const auto sums =
      multiply("mma.sync.aligned.m16n8k16.row.col.f16.e4m3.e4m3.f16", {2, 1, 2}, inputs);
  EXPECT_EQ(sums[5], pack(to_half(32.5F), to_half(0)));
}

// Lane 0 and lane 16 have rows 0 and 4 of the first quad pair.
TEST(MatrixProduct, MultipliesForEachQuadPair) {
  Words inputs(32 * 8);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    inputs[lane] =
        pack(to_half(static_cast<float>(lane)), to_half(1));  // a: row has (lane, 1, 0, 0)
    inputs[64 + lane] = pack(to_half(2), to_half(3));         // b: column has (2, 3, 0, 0)
    inputs[128 + lane] = pack(to_half(10), to_half(20));      // c: columns 0 and 1
  }
  const auto sums = multiply("mma.sync.aligned.m8n8k4.row.col.f16.f16.f16.f16", {2, 2, 4}, inputs);
  EXPECT_EQ(sums[0], pack(to_half(13), to_half(23)));
  EXPECT_EQ(sums[5], pack(to_half(23), to_half(33)));
  EXPECT_EQ(sums[16], pack(to_half(45), to_half(55)));
}

TEST(MatrixProduct, RoundsDoublesAsTold) {
  // Row 0 of a is (1, 0, 0, 0), b's column 0 too: 1 * 1 + 2^-60.
  const auto sum = [](std::string_view mode) {
    return run_one(fmt::format(R"(
      mov.u32 %r1, %laneid;
      setp.eq.u32 %p0, %r1, 0;
      selp.f64 %fd0, 0d3FF0000000000000, 0d0000000000000000, %p0;
      mov.f64 %fd1, 0d3C30000000000000;
      mma.sync.aligned.m8n8k4.row.col{}.f64.f64.f64.f64 {{%fd2, %fd3}}, {{%fd0}}, {{%fd0}}, {{%fd1, %fd1}};
      mov.b64 %rd0, %fd2;)",
                               mode));
  };
  EXPECT_EQ(sum(""), bits(1.0));
  EXPECT_EQ(sum(".rp"), bits(std::nextafter(1.0, 2.0)));
  EXPECT_EQ(sum(".rm"), bits(1.0));
}

// --- wmma: whole matrices in memory.

struct WmmaCase {
  uint32_t m, n, k;
  bool row_a, row_b, row_c;
};

// A small integer for each place, so that every sum is exact.
float small(uint32_t row, uint32_t column) {
  return static_cast<float>((7 * row + 3 * column) % 11) - 5;
}

// The element at (row, column) is at this place.
uint32_t place_of(uint32_t row, uint32_t column, bool row_major, uint32_t stride) {
  return row_major ? row * stride + column : column * stride + row;
}

template <class T, class Make>
std::vector<T> matrix(uint32_t rows, uint32_t columns, bool row_major, uint32_t stride, Make make) {
  std::vector<T> values(size_t{row_major ? rows : columns} * stride);
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t column = 0; column < columns; ++column) {
      values[place_of(row, column, row_major, stride)] = make(row, column);
    }
  }
  return values;
}

std::string wmma_program(const WmmaCase& c, std::string_view type, std::string_view types,
                         std::string_view sum, std::array<uint32_t, 3> counts,
                         std::array<uint32_t, 3> strides) {
  const auto layout = [](bool row) { return row ? "row" : "col"; };
  const std::string shape = fmt::format("m{}n{}k{}", c.m, c.n, c.k);
  const std::string a = register_list(10, counts[0]);
  const std::string b = register_list(18, counts[1]);
  const std::string sums = register_list(26, counts[2]);
  return fmt::format(R"(
    ld.param.u64 %rd1, [a];
    ld.param.u64 %rd2, [b];
    ld.param.u64 %rd3, [c];
    wmma.load.a.sync.aligned.{layout_a}.{shape}.global.{type} {a}, [%rd1], {stride_a};
    wmma.load.b.sync.aligned.{layout_b}.{shape}.global.{type} {b}, [%rd2], {stride_b};
    wmma.load.c.sync.aligned.{layout_c}.{shape}.global.{sum} {sums}, [%rd3], {stride_c};
    wmma.mma.sync.aligned.{layout_a}.{layout_b}.{shape}.{types} {sums}, {a}, {b}, {sums};
    wmma.store.d.sync.aligned.{layout_c}.{shape}.global.{sum} [%rd3], {sums}, {stride_c};
    ret;)",
                     fmt::arg("layout_a", layout(c.row_a)), fmt::arg("layout_b", layout(c.row_b)),
                     fmt::arg("layout_c", layout(c.row_c)), fmt::arg("shape", shape),
                     fmt::arg("type", type), fmt::arg("types", types), fmt::arg("sum", sum),
                     fmt::arg("a", a), fmt::arg("b", b), fmt::arg("sums", sums),
                     fmt::arg("stride_a", strides[0]), fmt::arg("stride_b", strides[1]),
                     fmt::arg("stride_c", strides[2]));
}

// Runs the case with matrices that have gaps between their rows, of values `make_in` and sums `make_sum`.
template <class In, class Sum, class MakeIn, class MakeSum>
void expect_wmma(const WmmaCase& c, std::string_view type, std::string_view types,
                 std::string_view sum, std::array<uint32_t, 3> counts, MakeIn make_in,
                 MakeSum make_sum) {
  const std::array<uint32_t, 3> strides = {(c.row_a ? c.k : c.m) + 16, (c.row_b ? c.n : c.k) + 16,
                                           (c.row_c ? c.n : c.m) + 8};
  TestDevice test(module_of(".param .u64 a, .param .u64 b, .param .u64 c",
                            wmma_program(c, type, types, sum, counts, strides)));
  const auto a = [](uint32_t row, uint32_t column) { return small(row, column); };
  const auto b = [](uint32_t row, uint32_t column) { return small(row + 5, 2 * column); };
  const auto plain_c = [](uint32_t row, uint32_t column) { return small(column, row); };
  const auto in = [&](auto value) {
    return [=](uint32_t row, uint32_t column) { return make_in(value(row, column)); };
  };
  const uint64_t device_c =
      test.upload(matrix<Sum>(c.m, c.n, c.row_c, strides[2], [&](uint32_t row, uint32_t column) {
        return make_sum(plain_c(row, column));
      }));
  const auto fault = test.run(
      test.launch({test.upload(matrix<In>(c.m, c.k, c.row_a, strides[0], in(a))),
                   test.upload(matrix<In>(c.k, c.n, c.row_b, strides[1], in(b))), device_c}));
  ASSERT_FALSE(fault) << fault->report();
  const auto found = test.download<Sum>(device_c, size_t{c.row_c ? c.m : c.n} * strides[2]);
  for (uint32_t row = 0; row < c.m; ++row) {
    for (uint32_t column = 0; column < c.n; ++column) {
      float expected = plain_c(row, column);
      for (uint32_t k = 0; k < c.k; ++k) expected += a(row, k) * b(k, column);
      const Sum one = found[place_of(row, column, c.row_c, strides[2])];
      ASSERT_EQ(std::memcmp(&one, std::array{make_sum(expected)}.data(), sizeof(Sum)), 0)
          << types << " m" << c.m << "n" << c.n << ", (" << row << ", " << column << "), expected "
          << expected;
    }
  }
}

constexpr std::array<std::array<uint32_t, 2>, 3> kShapes = {{{16, 16}, {32, 8}, {8, 32}}};
constexpr auto kSame = [](float value) { return value; };
constexpr auto kInteger = [](float value) { return static_cast<int32_t>(value); };

TEST(Wmma, MultipliesHalvesOfEveryShapeAndLayout) {
  for (const auto [m, n] : kShapes) {
    for (uint32_t layouts = 0; layouts < 8; ++layouts) {
      const WmmaCase c{m, n, 16, (layouts & 1U) != 0, (layouts & 2U) != 0, (layouts & 4U) != 0};
      expect_wmma<uint16_t, float>(c, "f16", "f32.f32", "f32", {8, 8, 8}, to_half, kSame);
      expect_wmma<uint16_t, uint16_t>(c, "f16", "f16.f16", "f16", {8, 8, 4}, to_half, to_half);
    }
  }
}

TEST(Wmma, MultipliesBfloatsAndBytesOfEveryShape) {
  for (const auto [m, n] : kShapes) {
    for (const bool row : {true, false}) {
      const WmmaCase c{m, n, 16, row, !row, row};
      expect_wmma<uint16_t, float>(c, "bf16", "f32.bf16.bf16.f32", "f32", {m / 4, n / 4, 8},
                                   to_bfloat16, kSame);
      expect_wmma<int8_t, int32_t>(
          c, "s8", "s32.s8.s8.s32", "s32", {m / 8, n / 8, 8},
          [](float value) { return static_cast<int8_t>(value); }, kInteger);
    }
  }
}

TEST(Wmma, MultipliesTf32) {
  for (const bool row : {true, false}) {
    expect_wmma<float, float>({16, 16, 8, row, row, !row}, "tf32", "f32.tf32.tf32.f32", "f32",
                              {4, 4, 8}, kSame, kSame);
  }
}

// A program that changes elements of a fragment relies on this: as on an H200.
TEST(Wmma, HoldsElementsWhereAnH200Does) {
  std::vector<float> c(256);
  for (size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i);
  TestDevice test(module_of(".param .u64 c, .param .u64 out", R"(
    ld.param.u64 %rd1, [c];
    ld.param.u64 %rd2, [out];
    wmma.load.c.sync.aligned.row.m16n16k16.global.f32 {%f0, %f1, %f2, %f3, %f4, %f5, %f6, %f7}, [%rd1];
    mov.u32 %r0, %laneid;
    mul.wide.u32 %rd3, %r0, 32;
    add.s64 %rd2, %rd2, %rd3;
    st.global.v4.f32 [%rd2], {%f0, %f1, %f2, %f3};
    st.global.v4.f32 [%rd2+16], {%f4, %f5, %f6, %f7};
    ret;)"));
  const uint64_t out = test.upload(std::vector<float>(256), "out");
  const auto fault = test.run(test.launch({test.upload(c), out}));
  ASSERT_FALSE(fault) << fault->report();
  const auto lane5 = test.download<float>(out + 5 * 32, 8);
  EXPECT_EQ(lane5, (std::vector<float>{18, 19, 146, 147, 26, 27, 154, 155}));
}

TEST(Wmma, FaultsOutsideAnAllocation) {
  TestDevice test(module_of(".param .u64 a", R"(
    ld.param.u64 %rd1, [a];
    wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {%r0, %r1, %r2, %r3, %r4, %r5, %r6, %r7}, [%rd1], 16;
    ret;)"));
  const auto fault = test.run(test.launch({test.upload(std::vector<uint16_t>(255))}));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kOutOfBounds);
  EXPECT_EQ(fault->thread[0], 31);
}

}  // namespace
}  // namespace slipstream::emulator
