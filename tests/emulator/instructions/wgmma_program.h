// Runs wgmma instructions on one warpgroup: matrices of small integers in shared memory, accumulators out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lane_program.h"

namespace slipstream::emulator::wgmma_program {

inline constexpr uint32_t kRows = 64;
inline constexpr uint32_t kTileBytes = 32768;  // of A, then as many of B
inline constexpr uint32_t kMaxColumns = 256;

// --- Matrices in shared memory, laid out by the formulas of CUTLASS's canonical layouts.

enum class Swizzle : uint8_t { kNone, k128, k64, k32 };

struct Layout {
  Swizzle swizzle = Swizzle::k128;
  bool is_transposed = false;
  uint32_t leading = 0;
  uint32_t stride = 1024;

  uint32_t width() const {
    return swizzle == Swizzle::kNone ? 16 : 256U >> static_cast<int>(swizzle);
  }
  uint64_t descriptor() const {
    return uint64_t{leading / 16} << 16U | uint64_t{stride / 16} << 32U |
           static_cast<uint64_t>(swizzle) << 62U;
  }
  // Where byte `depth` of row `row` lies; of a transposed matrix, the element of 16 bits.
  uint32_t place(uint32_t row, uint32_t depth) const {
    uint32_t offset = 0;
    const uint32_t within = is_transposed ? row * 2 : depth;  // along the chunks, in bytes
    const uint32_t line = is_transposed ? depth / 2 : row;
    if (swizzle == Swizzle::kNone) {
      const uint32_t across = is_transposed ? stride : leading;
      const uint32_t down = is_transposed ? leading : stride;
      offset = within / 16 * across + line / 8 * down + line % 8 * 16;
    } else {
      offset = within / width() * leading + within % width() / 16 * 16 + line / 8 * stride +
               line % 8 * width();
    }
    offset += is_transposed ? depth % 2 + within % 16 : within % 16;
    return offset ^ ((offset / 128) % (width() / 16)) * 16;
  }
};

// Rows that follow each other without a gap.
inline Layout in_depth(Swizzle swizzle) {
  Layout layout{.swizzle = swizzle};
  layout.stride = 8 * layout.width();
  if (swizzle == Swizzle::kNone) {
    layout.leading = 128;
    layout.stride = 256;
  }
  return layout;
}
// Columns of up to 64 elements of 16 bits next to each other, 16 of them, then the next.
inline Layout in_rows(Swizzle swizzle) {
  Layout layout{.swizzle = swizzle, .is_transposed = true};
  layout.stride = 8 * layout.width();
  layout.leading = 2 * layout.stride;
  if (swizzle == Swizzle::kNone) std::swap(layout.stride, layout.leading);
  return layout;
}

// --- Products of small integers, which every type holds exactly.

struct Type {
  std::string name;  // "f32.bf16.bf16"
  uint32_t bytes = 2;
  std::function<uint32_t(int)> encode_a;
  std::function<uint32_t(int)> encode_b;
  std::function<double(uint32_t)> decode;  // an accumulator

  uint32_t depth() const { return 32 / bytes; }
  bool is_half() const { return name.starts_with("f16"); }
  bool is_integer() const { return name.starts_with("s32"); }
  bool transposes() const { return bytes == 2; }
};

inline uint32_t to_f16(int value) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  return value == 0 ? 0
                    : (bits >> 31U) << 15U | (((bits >> 23U & 0xffU) - 112) << 10U) |
                          (bits >> 13U & 0x3ffU);
}
inline uint32_t to_bf16(int value) {
  return std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16U;
}
inline uint32_t to_tf32(int value) { return std::bit_cast<uint32_t>(static_cast<float>(value)); }
inline uint32_t to_e5m2(int value) { return to_f16(value) >> 8U; }
inline uint32_t to_e4m3(int value) {
  const uint32_t half = to_f16(value);
  return value == 0 ? 0 : (half >> 15U) << 7U | ((half >> 7U & 0xffU) - (8U << 3U));
}
inline uint32_t to_byte(int value) { return static_cast<uint8_t>(value); }
inline uint32_t to_magnitude(int value) { return static_cast<uint32_t>(std::abs(value)); }
inline double from_f32(uint32_t bits) { return std::bit_cast<float>(bits); }
inline double from_s32(uint32_t bits) { return static_cast<int32_t>(bits); }
inline double from_f16(uint32_t bits) {
  const double magnitude =
      (bits & 0x7fffU) == 0
          ? 0
          : std::ldexp(1024 + (bits & 0x3ffU), static_cast<int>(bits >> 10U & 31U) - 25);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

inline const Type kBf16{"f32.bf16.bf16", 2, to_bf16, to_bf16, from_f32};

struct Product {
  Type type = kBf16;
  uint32_t columns = 64;
  Layout a = in_depth(Swizzle::k128);
  Layout b = in_depth(Swizzle::k128);
  bool a_in_registers = false;
  bool accumulates = true;
  int scale_a = 1;
  int scale_b = 1;
  std::string suffix{};  // of the opcode

  uint32_t registers() const { return columns / (type.is_half() ? 4 : 2); }
  std::string opcode() const {
    return fmt::format("wgmma.mma_async.sync.aligned.m64n{}k{}.{}{}", columns, type.depth(),
                       type.name, suffix);
  }
  std::string accumulators(char prefix = 'd') const {
    std::string list = fmt::format("{{%{}0", prefix);
    for (uint32_t i = 1; i < registers(); ++i) list += fmt::format(", %{}{}", prefix, i);
    return list + "}";
  }
  std::string instruction(char prefix = 'd') const {
    std::string text =
        fmt::format("{} {}, {}, %rd11, {}", opcode(), accumulators(prefix),
                    a_in_registers ? "{%r10, %r11, %r12, %r13}" : "%rd10", accumulates ? 1 : 0);
    if (!type.is_integer()) text += fmt::format(", {}, {}", scale_a, scale_b);
    if (type.transposes() && !a_in_registers) text += fmt::format(", {}", a.is_transposed ? 1 : 0);
    if (type.transposes()) text += fmt::format(", {}", b.is_transposed ? 1 : 0);
    return text + ";\n";
  }
};

inline int element_of_a(uint32_t row, uint32_t k) {
  return static_cast<int>((row * 7 + k * 3 + row * k) % 7) - 3;
}
inline int element_of_b(uint32_t column, uint32_t k) {
  return static_cast<int>((column * 5 + k * 11 + column / 3) % 5) - 2;
}

inline std::vector<uint8_t> tiles_of(const Product& product) {
  std::vector<uint8_t> tiles(2 * kTileBytes);
  const uint32_t bytes = product.type.bytes;
  const auto fill = [&](uint8_t* tile, const Layout& layout, uint32_t rows, const auto& element,
                        const auto& encode) {
    for (uint32_t row = 0; row < rows; ++row) {
      for (uint32_t k = 0; k < product.type.depth(); ++k) {
        const uint32_t code = encode(element(row, k));
        const uint32_t place = layout.place(row, k * bytes);
        std::memcpy(tile + place, &code, bytes);
      }
    }
  };
  fill(tiles.data(), product.a, kRows, element_of_a, product.type.encode_a);
  fill(tiles.data() + kTileBytes, product.b, product.columns, element_of_b, product.type.encode_b);
  return tiles;
}

// Thread t of 128 has A's and B's tiles in shared memory, their descriptors in %rd10 and %rd11, its registers of A in
// %r10 to %r13 where A comes from registers, and accumulators of 1 in %d0 and so on; it leaves them there.
inline std::string kernel_of(const Product& product, const std::string& body) {
  const bool is_packed = product.type.is_half();
  const std::string one = product.type.is_integer() ? "1" : is_packed ? "0x3c003c00" : "0x3f800000";
  std::string text =
      fmt::format(R"(
    .shared .align 1024 .b8 tiles[{}];
    .reg .b32 %d<{}>;
    .reg .b32 %e<{}>;
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, tiles;
    mov.u32 %r3, %r1;
  fill:
    mul.wide.u32 %rd3, %r3, 16;
    add.s64 %rd4, %rd1, %rd3;
    ld.global.v4.u32 {{%r20, %r21, %r22, %r23}}, [%rd4];
    mad.lo.u32 %r4, %r3, 16, %r2;
    st.shared.v4.u32 [%r4], {{%r20, %r21, %r22, %r23}};
    add.u32 %r3, %r3, 128;
    setp.lt.u32 %p1, %r3, {};
    @%p1 bra fill;
    bar.sync 0;
    shr.u32 %r5, %r2, 4;
    cvt.u64.u32 %rd5, %r5;
    add.s64 %rd10, %rd5, {:#x};
    add.s64 %rd11, %rd5, {:#x};
    mul.wide.u32 %rd3, %r1, 16;
    add.s64 %rd6, %rd1, %rd3;
    ld.global.v4.u32 {{%r10, %r11, %r12, %r13}}, [%rd6+{}];
)",
                  2 * kTileBytes, kMaxColumns / 2, kMaxColumns / 2, 2 * kTileBytes / 16,
                  product.a.descriptor(), product.b.descriptor() + kTileBytes / 16, 2 * kTileBytes);
  for (uint32_t i = 0; i < product.registers(); ++i) {
    text += fmt::format("mov.b32 %d{0}, {1};\nmov.b32 %e{0}, {1};\n", i, one);
  }
  text +=
      body +
      fmt::format(
          "mad.lo.u32 %r6, %r1, {}, 0;\nmul.wide.u32 %rd3, %r6, 4;\nadd.s64 %rd2, %rd2, %rd3;\n",
          product.registers());
  for (uint32_t i = 0; i < product.registers(); ++i) {
    text += fmt::format("st.global.b32 [%rd2+{}], %d{};\n", 4 * i, i);
  }
  return module_of(".param .u64 in, .param .u64 out", text + "ret;\n");
}

inline const std::string kFence = "wgmma.fence.sync.aligned;\n";
inline const std::string kCommit = "wgmma.commit_group.sync.aligned;\n";
inline const std::string kWait = "wgmma.wait_group.sync.aligned 0;\n";

// Register r of A in thread t, as PTX draws it.
inline uint32_t register_of_a(const Type& type, uint32_t thread, uint32_t r) {
  const uint32_t row = thread / 32 * 16 + thread % 32 / 4 + 8 * (r % 2);
  const uint32_t per_register = 4 / type.bytes;
  uint32_t bits = 0;
  for (uint32_t i = 0; i < per_register; ++i) {
    const uint32_t k = (thread % 4 + 4 * (r / 2)) * per_register + i;
    bits |= type.encode_a(element_of_a(row, k)) << (i * 8 * type.bytes);
  }
  return bits;
}

struct Outcome {
  std::vector<uint32_t> registers;  // of thread 0, of thread 1 and so on
  std::optional<Fault> fault;
  std::vector<Fault> observations;
};

inline Outcome run_text(const Product& product, const std::string& text, Schedule schedule,
                        Dim3 block = {128, 1, 1}) {
  Outcome outcome;
  Settings settings;
  settings.schedule = schedule;
  settings.report_observation = [&](const Fault& fault) { outcome.observations.push_back(fault); };
  TestDevice test(text, std::move(settings));
  std::vector<uint8_t> in = tiles_of(product);
  for (uint32_t thread = 0; thread < 128; ++thread) {
    for (uint32_t r = 0; r < 4; ++r) {
      const uint32_t bits = product.a_in_registers ? register_of_a(product.type, thread, r) : 0;
      const auto* const bytes = reinterpret_cast<const uint8_t*>(&bits);
      in.insert(in.end(), bytes, bytes + 4);
    }
  }
  const size_t count = size_t{128} * product.registers();
  const uint64_t out = test.upload(std::vector<uint32_t>(count));
  outcome.fault = test.run(test.launch({test.upload(in), out}, {}, block));
  outcome.registers = test.download<uint32_t>(out, count);
  return outcome;
}

inline Outcome run(const Product& product, const std::string& body,
                   Schedule schedule = Schedule::kSerial, Dim3 block = {128, 1, 1}) {
  return run_text(product, kernel_of(product, body), schedule, block);
}

inline double accumulator(const Product& product, const Outcome& outcome, uint32_t row,
                          uint32_t column) {
  const uint32_t thread = row / 16 * 32 + row % 8 * 4 + column % 8 / 2;
  const uint32_t half = row % 16 / 8;
  const auto* const registers = &outcome.registers[size_t{thread} * product.registers()];
  if (product.type.is_half()) {
    return product.type.decode(registers[column / 8 * 2 + half] >> (column % 2 * 16) & 0xffffU);
  }
  return product.type.decode(registers[column / 8 * 4 + half * 2 + column % 2]);
}

// What `times` products make of accumulators of 1.
inline double expected(const Product& product, uint32_t row, uint32_t column, int times = 1) {
  const auto value = [](int element, const auto& encode) {
    return encode(-1) == 1 ? std::abs(element) : element;  // an unsigned type
  };
  int sum = 0;
  for (uint32_t k = 0; k < product.type.depth(); ++k) {
    sum += value(element_of_a(row, k), product.type.encode_a) *
           value(element_of_b(column, k), product.type.encode_b);
  }
  return (product.accumulates ? 1 : 0) + times * sum * product.scale_a * product.scale_b;
}

inline testing::AssertionResult is_right(const Product& product, const Outcome& outcome,
                                         int times = 1) {
  if (outcome.fault) return testing::AssertionFailure() << outcome.fault->report();
  for (uint32_t row = 0; row < kRows; ++row) {
    for (uint32_t column = 0; column < product.columns; ++column) {
      const double found = accumulator(product, outcome, row, column);
      const double wanted = expected(product, row, column, times);
      if (found != wanted) {
        return testing::AssertionFailure() << product.instruction() << "row " << row << ", column "
                                           << column << " is " << found << ", must be " << wanted;
      }
    }
  }
  return testing::AssertionSuccess();
}

inline std::string once(const Product& product) {
  return kFence + product.instruction() + kCommit + kWait;
}

inline testing::AssertionResult multiplies(const Product& product,
                                           Schedule schedule = Schedule::kSerial) {
  return is_right(product, run(product, once(product), schedule));
}

}  // namespace slipstream::emulator::wgmma_program
