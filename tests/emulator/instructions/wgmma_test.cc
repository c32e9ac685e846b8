#include <algorithm>
#include <functional>
#include <limits>

#include "lane_program.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kRows = 64;
constexpr uint32_t kTileBytes = 32768;  // of A, then as many of B
constexpr uint32_t kMaxColumns = 256;

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
Layout in_depth(Swizzle swizzle) {
  Layout layout{.swizzle = swizzle};
  layout.stride = 8 * layout.width();
  if (swizzle == Swizzle::kNone) {
    layout.leading = 128;
    layout.stride = 256;
  }
  return layout;
}
// Columns of up to 64 elements of 16 bits next to each other, 16 of them, then the next.
Layout in_rows(Swizzle swizzle) {
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

uint32_t to_f16(int value) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  return value == 0 ? 0
                    : (bits >> 31U) << 15U | (((bits >> 23U & 0xffU) - 112) << 10U) |
                          (bits >> 13U & 0x3ffU);
}
uint32_t to_bf16(int value) { return std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16U; }
uint32_t to_tf32(int value) { return std::bit_cast<uint32_t>(static_cast<float>(value)); }
uint32_t to_e5m2(int value) { return to_f16(value) >> 8U; }
uint32_t to_e4m3(int value) {
  const uint32_t half = to_f16(value);
  return value == 0 ? 0 : (half >> 15U) << 7U | ((half >> 7U & 0xffU) - (8U << 3U));
}
uint32_t to_byte(int value) { return static_cast<uint8_t>(value); }
uint32_t to_magnitude(int value) { return static_cast<uint32_t>(std::abs(value)); }
double from_f32(uint32_t bits) { return std::bit_cast<float>(bits); }
double from_s32(uint32_t bits) { return static_cast<int32_t>(bits); }
double from_f16(uint32_t bits) {
  const double magnitude =
      (bits & 0x7fffU) == 0
          ? 0
          : std::ldexp(1024 + (bits & 0x3ffU), static_cast<int>(bits >> 10U & 31U) - 25);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

const Type kBf16{"f32.bf16.bf16", 2, to_bf16, to_bf16, from_f32};

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

int element_of_a(uint32_t row, uint32_t k) {
  return static_cast<int>((row * 7 + k * 3 + row * k) % 7) - 3;
}
int element_of_b(uint32_t column, uint32_t k) {
  return static_cast<int>((column * 5 + k * 11 + column / 3) % 5) - 2;
}

std::vector<uint8_t> tiles_of(const Product& product) {
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
std::string kernel_of(const Product& product, const std::string& body) {
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

const std::string kFence = "wgmma.fence.sync.aligned;\n";
const std::string kCommit = "wgmma.commit_group.sync.aligned;\n";
const std::string kWait = "wgmma.wait_group.sync.aligned 0;\n";

// Register r of A in thread t, as PTX draws it.
uint32_t register_of_a(const Type& type, uint32_t thread, uint32_t r) {
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

Outcome run(const Product& product, const std::string& body, Schedule schedule = Schedule::kSerial,
            Dim3 block = {128, 1, 1}) {
  Outcome outcome;
  Settings settings;
  settings.schedule = schedule;
  settings.report_observation = [&](const Fault& fault) { outcome.observations.push_back(fault); };
  TestDevice test(kernel_of(product, body), std::move(settings));
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

double accumulator(const Product& product, const Outcome& outcome, uint32_t row, uint32_t column) {
  const uint32_t thread = row / 16 * 32 + row % 8 * 4 + column % 8 / 2;
  const uint32_t half = row % 16 / 8;
  const auto* const registers = &outcome.registers[size_t{thread} * product.registers()];
  if (product.type.is_half()) {
    return product.type.decode(registers[column / 8 * 2 + half] >> (column % 2 * 16) & 0xffffU);
  }
  return product.type.decode(registers[column / 8 * 4 + half * 2 + column % 2]);
}

// What `times` products make of accumulators of 1.
double expected(const Product& product, uint32_t row, uint32_t column, int times = 1) {
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

testing::AssertionResult is_right(const Product& product, const Outcome& outcome, int times = 1) {
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

std::string once(const Product& product) {
  return kFence + product.instruction() + kCommit + kWait;
}

testing::AssertionResult multiplies(const Product& product, Schedule schedule = Schedule::kSerial) {
  return is_right(product, run(product, once(product), schedule));
}

constexpr auto kSwizzles = {Swizzle::kNone, Swizzle::k128, Swizzle::k64, Swizzle::k32};

TEST(Wgmma, FindsMatricesInEverySwizzle) {
  for (const Swizzle swizzle : kSwizzles) {
    EXPECT_TRUE(multiplies({.a = in_depth(swizzle)}));
    EXPECT_TRUE(multiplies({.columns = 128, .b = in_depth(swizzle)}));
  }
}

TEST(Wgmma, FindsTransposedMatricesInEverySwizzle) {
  for (const Swizzle swizzle : kSwizzles) {
    EXPECT_TRUE(multiplies({.a = in_rows(swizzle)}));
    EXPECT_TRUE(multiplies({.columns = 256, .b = in_rows(swizzle)}));
  }
}

TEST(Wgmma, TakesAFromRegisters) {
  EXPECT_TRUE(multiplies({.a_in_registers = true}));
  EXPECT_TRUE(multiplies({.b = in_rows(Swizzle::k128), .a_in_registers = true}));
  EXPECT_TRUE(multiplies(
      {.type = {"f32.e4m3.e4m3", 1, to_e4m3, to_e4m3, from_f32}, .a_in_registers = true}));
  EXPECT_TRUE(multiplies(
      {.type = {"f32.tf32.tf32", 4, to_tf32, to_tf32, from_f32}, .a_in_registers = true}));
}

TEST(Wgmma, MultipliesEveryType) {
  const std::vector<Type> types = {
      {"f32.f16.f16", 2, to_f16, to_f16, from_f32},
      {"f16.f16.f16", 2, to_f16, to_f16, from_f16},
      {"f32.tf32.tf32", 4, to_tf32, to_tf32, from_f32},
      {"f32.e4m3.e4m3", 1, to_e4m3, to_e4m3, from_f32},
      {"f32.e4m3.e5m2", 1, to_e4m3, to_e5m2, from_f32},
      {"f32.e5m2.e4m3", 1, to_e5m2, to_e4m3, from_f32},
      {"f32.e5m2.e5m2", 1, to_e5m2, to_e5m2, from_f32},
      {"f16.e4m3.e5m2", 1, to_e4m3, to_e5m2, from_f16},
      {"f16.e5m2.e4m3", 1, to_e5m2, to_e4m3, from_f16},
      {"s32.s8.s8", 1, to_byte, to_byte, from_s32},
      {"s32.s8.u8", 1, to_byte, to_magnitude, from_s32},
      {"s32.u8.s8", 1, to_magnitude, to_byte, from_s32},
      {"s32.u8.u8", 1, to_magnitude, to_magnitude, from_s32},
  };
  for (const Type& type : types) EXPECT_TRUE(multiplies({.type = type}));
}

TEST(Wgmma, HasEveryNumberOfColumns) {
  for (uint32_t columns = 8; columns <= kMaxColumns; columns += 8)
    EXPECT_TRUE(multiplies({.columns = columns}));
}

TEST(Wgmma, LeavesTheAccumulatorsOutAndNegates) {
  EXPECT_TRUE(multiplies({.accumulates = false}));
  EXPECT_TRUE(multiplies({.scale_a = -1}));
  EXPECT_TRUE(multiplies({.scale_b = -1}));
  EXPECT_TRUE(multiplies({.scale_a = -1, .scale_b = -1}));
}

TEST(Wgmma, SaturatesIntegersWhereAsked) {
  Product product{.type = {"s32.u8.u8", 1, to_magnitude, to_magnitude, from_s32}};
  std::string body;
  for (uint32_t i = 0; i < product.registers(); ++i)
    body += fmt::format("mov.b32 %d{}, 0x7fffffff;\n", i);
  EXPECT_LT(accumulator(product, run(product, body + once(product)), 1, 1), 0);
  product.suffix = ".satfinite";
  EXPECT_EQ(accumulator(product, run(product, body + once(product)), 1, 1),
            std::numeric_limits<int32_t>::max());
}

// --- What is refused.

std::string rejection_of(const std::string& instruction) {
  try {
    (void)run({}, kFence + instruction);
  } catch (const LaunchError& error) {
    return error.what();
  }
  return "nothing";
}

std::string with_opcode(const std::string& opcode) {
  Product product;
  const std::string text = product.instruction();
  return opcode + text.substr(product.opcode().size());
}

TEST(Wgmma, NamesShapesAndScalesThatPtxDoesNotHave) {
  const auto contains = [](const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
  };
  const std::string prefix = "wgmma.mma_async.sync.aligned.m64";
  EXPECT_TRUE(contains(rejection_of(with_opcode(prefix + "n12k16.f32.bf16.bf16")),
                       "n must be a multiple of 8 up to 256, not 12"));
  EXPECT_TRUE(contains(rejection_of(with_opcode(prefix + "n264k16.f32.bf16.bf16")), "not 264"));
  EXPECT_TRUE(contains(rejection_of(with_opcode(prefix + "n72k16.f32.bf16.bf16")),
                       "operand 1 has 32 registers and must have 36"));
  EXPECT_TRUE(contains(rejection_of(Product{.scale_a = 2}.instruction()),
                       "operand 5 must be 1 or -1, not 2"));
  const Product integers{.type = {"s32.s8.s8", 1, to_byte, to_byte, from_s32}, .columns = 40};
  EXPECT_TRUE(contains(rejection_of(integers.instruction()),
                       "n must be 8, 24 or a multiple of 16 up to 256, not 40"));
  EXPECT_TRUE(
      contains(rejection_of(with_opcode("wgmma.mma_async.sp.sync.aligned.m64n64k32.f32.bf16.bf16")),
               "wgmma.mma_async.sp"));
}

// --- What is a fault.

FaultKind fault_of(const Product& product, const std::string& body, const std::string& part,
                   Dim3 block = {128, 1, 1}) {
  const Outcome outcome = run(product, body, Schedule::kSerial, block);
  if (!outcome.fault) {
    ADD_FAILURE() << "no fault";
    return FaultKind::kAssert;
  }
  EXPECT_NE(outcome.fault->report().find(part), std::string::npos) << outcome.fault->report();
  return outcome.fault->kind;
}

TEST(Wgmma, StopsWhereAMatrixLeavesSharedMemory) {
  const std::string start = "add.s64 %rd10, %rd10, 4096;\n";
  EXPECT_EQ(fault_of({}, start + once({}), "the matrix of descriptor"), FaultKind::kOutOfBounds);
  const std::string stride = "or.b64 %rd11, %rd11, 0x3ff00000000;\n";
  EXPECT_EQ(fault_of({}, stride + once({}), "wgmma.mma_async.sync.aligned.m64n64k16"),
            FaultKind::kOutOfBounds);
}

TEST(Wgmma, NeedsTheSameDescriptorsInAllThreads) {
  const std::string differ = "cvt.u64.u32 %rd12, %r1;\nadd.s64 %rd11, %rd11, %rd12;\n";
  EXPECT_EQ(fault_of({}, differ + once({}), "the descriptor of B must be the same"),
            FaultKind::kIllegalInstruction);
}

TEST(Wgmma, NeedsFourWholeWarps) {
  EXPECT_EQ(fault_of({}, once({}), " has 3", {96, 1, 1}), FaultKind::kIllegalInstruction);
  const std::string leave = "setp.eq.u32 %p2, %r1, 77;\n@%p2 exit;\n";
  EXPECT_EQ(fault_of({}, leave + once({}), "it needs all of them"), FaultKind::kIllegalInstruction);
}

TEST(Wgmma, NamesAWarpThatTheOthersDoNotFollow) {
  const std::string skip = "setp.ge.u32 %p2, %r1, 32;\n@%p2 bra skip;\n";
  EXPECT_EQ(fault_of({}, skip + once({}) + "skip:\n",
                     "warp 0 is at a wgmma.mma_async that the rest of its warpgroup"),
            FaultKind::kDivergentBarrier);
  const std::string part = "setp.eq.u32 %p2, %r1, 3;\n@%p2 bra skip;\n";
  EXPECT_EQ(fault_of({}, part + once({}) + "skip: bar.sync 0;\n", "of warp 0"),
            FaultKind::kDivergentBarrier);
  const std::string other = "setp.ge.u32 %p2, %r1, 96;\n@%p2 bra other;\n" + once({}) +
                            "bra done;\nother:\n" + once({}) + "done:\n";
  EXPECT_EQ(fault_of({}, other, "another wgmma.mma_async"), FaultKind::kDivergentBarrier);
}

TEST(Wgmma, ReportsAMissingFenceOnce) {
  const Outcome outcome = run({}, Product{}.instruction() + kCommit + kWait);
  EXPECT_FALSE(outcome.fault);
  ASSERT_EQ(outcome.observations.size(), 1U);
  EXPECT_EQ(outcome.observations[0].kind, FaultKind::kMissingFence);
  EXPECT_TRUE(run({}, once({})).observations.empty());
}

// --- When products are made.

Outcome late(const Product& product, const std::string& body) {
  return run(product, body, Schedule::kAdversarial);
}

// Whether every accumulator is a NaN.
bool is_lost(const Product& product, const Outcome& outcome) {
  EXPECT_FALSE(outcome.fault) << outcome.fault->report();
  for (uint32_t row = 0; row < kRows; ++row) {
    for (uint32_t column = 0; column < product.columns; ++column) {
      if (!std::isnan(accumulator(product, outcome, row, column))) return false;
    }
  }
  return true;
}

TEST(LateProducts, AreThereWhenTheirGroupIsWaitedFor) {
  const Product product;
  EXPECT_TRUE(multiplies(product, Schedule::kAdversarial));
  EXPECT_TRUE(
      multiplies({.type = {"f16.f16.f16", 2, to_f16, to_f16, from_f16}}, Schedule::kAdversarial));
  EXPECT_TRUE(multiplies({.columns = 256, .a_in_registers = true}, Schedule::kAdversarial));
  EXPECT_TRUE(is_lost(product, late(product, kFence + product.instruction() + kCommit)));
  EXPECT_TRUE(is_right(product, run(product, kFence + product.instruction() + kCommit)));
}

TEST(LateProducts, ThatWereNotCommittedStayPending) {
  const Product product;
  EXPECT_TRUE(is_lost(product, late(product, kFence + product.instruction() + kWait)));
}

TEST(LateProducts, OfTheYoungestGroupsStayPending) {
  const Product product;
  const std::string first = kFence + product.instruction() + kCommit;
  const std::string second = product.instruction('e') + kCommit;
  const std::string wait = "wgmma.wait_group.sync.aligned 1;\n";
  EXPECT_TRUE(is_right(product, late(product, first + second + wait)));
  EXPECT_TRUE(
      is_lost(product, late(product, kFence + second + product.instruction() + kCommit + wait)));
}

TEST(LateProducts, GoOnWithTheAccumulatorsOfTheOneBefore) {
  const Product product;
  const std::string two = kFence + product.instruction() + product.instruction() + kCommit;
  EXPECT_TRUE(is_right(product, late(product, two + kWait), 2));
  const std::string wait = "wgmma.wait_group.sync.aligned 1;\n";
  EXPECT_TRUE(is_lost(product, late(product, two + product.instruction() + kCommit + wait)));
  EXPECT_TRUE(
      is_right(product, late(product, two + product.instruction() + kCommit + wait + kWait), 3));
}

TEST(LateProducts, FollowCopiesOfTheirRegisters) {
  const Product product;
  std::string copy;
  std::string back;
  for (uint32_t i = 0; i < product.registers(); ++i) {
    copy += fmt::format("mov.b32 %e{0}, %d{0};\n", i);
    back += fmt::format("mov.b32 %d{0}, %e{0};\n", i);
  }
  const std::string body =
      kFence + product.instruction() + copy + product.instruction('e') + kCommit + kWait + back;
  EXPECT_TRUE(is_right(product, late(product, body), 2));
}

TEST(LateProducts, AreLostWhereSharedMemoryChangesBeforeTheWait) {
  const Product product;
  const std::string overwrite =
      "bar.sync 0;\nmov.u32 %r20, 0;\nst.shared.u32 [%r2+32768], %r20;\nbar.sync 0;\n";
  EXPECT_TRUE(is_lost(product,
                      late(product, kFence + product.instruction() + kCommit + overwrite + kWait)));
  EXPECT_TRUE(is_right(
      product, late(product, kFence + product.instruction() + kCommit + kWait + overwrite)));
}

TEST(LateProducts, AreLostWhereRegistersOfAChangeBeforeTheWait) {
  const Product product{.a_in_registers = true};
  const std::string overwrite = "add.u32 %r12, %r12, 1;\n";
  EXPECT_TRUE(is_lost(product,
                      late(product, kFence + product.instruction() + kCommit + overwrite + kWait)));
  EXPECT_TRUE(is_right(
      product, late(product, kFence + product.instruction() + kCommit + kWait + overwrite)));
}

}  // namespace
}  // namespace slipstream::emulator
