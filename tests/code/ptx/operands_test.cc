#include "code/ptx/operands.h"

#include <gtest/gtest.h>

#include "parse.h"

namespace slipstream::ptx {
namespace {

// The first instruction of a kernel with these registers.
struct Parsed {
  std::shared_ptr<const Module> module;
  const Function* kernel;
  std::span<const Operand> operands;
};

Parsed parse_instruction(const std::string& text) {
  Parsed parsed;
  parsed.module = parse_kernel(
      ".reg .b32 %r<10>; .reg .b64 %rd<4>; .reg .pred %p<3>; .reg .v4 .f32 %v; "
      ".shared .b8 buffer[64];\n" +
      text);
  parsed.kernel = parsed.module->find_function("k");
  parsed.operands = parsed.kernel->operands_of(parsed.kernel->instructions.at(0));
  return parsed;
}

TEST(Operands, ResolveRegistersByDeclaration) {
  const Parsed parsed = parse_instruction("add.s32 %r9, %r0, -3;");
  EXPECT_EQ(parsed.kernel->register_name(parsed.operands[0].index), "%r9");
  EXPECT_EQ(parsed.kernel->register_types[parsed.operands[0].index], Type::kB32);
  EXPECT_EQ(parsed.operands[2].kind, OperandKind::kInteger);
  EXPECT_EQ(parsed.operands[2].value, -3);
}

TEST(Operands, ReadAddressesWithOffsets) {
  const Parsed parsed = parse_instruction("ld.global.u32 %r1, [%rd1+-8];");
  EXPECT_EQ(parsed.operands[1].kind, OperandKind::kAddress);
  EXPECT_EQ(parsed.operands[1].base, AddressBase::kRegister);
  EXPECT_EQ(parsed.kernel->register_name(parsed.operands[1].index), "%rd1");
  EXPECT_EQ(parsed.operands[1].value, -8);
}

TEST(Operands, ReadAddressesAsTritonWritesThem) {
  const Parsed parsed = parse_instruction("ld.global.v2.b32 { %r1, %r2 }, [ %rd1 + 0 ];");
  EXPECT_EQ(parsed.operands[0].kind, OperandKind::kVector);
  ASSERT_EQ(parsed.operands[0].count, 2U);
  EXPECT_EQ(parsed.kernel->register_name(parsed.kernel->children_of(parsed.operands[0])[1].index),
            "%r2");
  EXPECT_EQ(parsed.operands[1].value, 0);
}

TEST(Operands, ReadAddressesOfVariablesAndConstants) {
  Parsed parsed = parse_instruction("st.shared.u32 [buffer+16], 7;");
  EXPECT_EQ(parsed.operands[0].base, AddressBase::kVariable);
  EXPECT_EQ(parsed.operands[0].variable->name, "buffer");
  EXPECT_EQ(parsed.operands[0].value, 16);
  parsed = parse_instruction("ld.param.u64 %rd1, [pointer];");
  EXPECT_EQ(parsed.operands[1].variable, parsed.kernel->find_parameter("pointer"));
  parsed = parse_instruction("ld.shared.u32 %r1, [256];");
  EXPECT_EQ(parsed.operands[1].base, AddressBase::kAbsolute);
  EXPECT_EQ(parsed.operands[1].value, 256);
}

TEST(Operands, ReadTensorCoordinates) {
  const Parsed parsed = parse_instruction(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1, "
      "{%r2, "
      "%r3}], [%r4];");
  EXPECT_EQ(parsed.kernel->instructions[0].opcode->modifiers[3], "2d");
  EXPECT_EQ(parsed.kernel->instructions[0].opcode->modifiers[4], "shared::cluster");
  ASSERT_EQ(parsed.operands.size(), 3U);
  const auto coordinates = parsed.kernel->children_of(parsed.operands[1]);
  ASSERT_EQ(coordinates.size(), 1U);
  EXPECT_EQ(coordinates[0].count, 2U);
}

TEST(Operands, ReadPairsSinksAndNegation) {
  const Parsed parsed = parse_instruction("setp.eq.and.s32 %p1|_, %r1, %r2, !%p2;");
  EXPECT_EQ(parsed.operands[0].kind, OperandKind::kPair);
  const auto pair = parsed.kernel->children_of(parsed.operands[0]);
  EXPECT_EQ(pair[0].kind, OperandKind::kRegister);
  EXPECT_EQ(pair[1].kind, OperandKind::kSink);
  EXPECT_TRUE(parsed.operands[3].negated);
}

TEST(Operands, NameSpecialRegistersWithTheirComponent) {
  const Parsed parsed = parse_instruction("mov.u32 %r1, %tid.x;");
  EXPECT_EQ(parsed.operands[1].kind, OperandKind::kSpecialRegister);
  EXPECT_EQ(parsed.module->text(parsed.operands[1]), "%tid.x");
}

TEST(Operands, ReadComponentsOfVectorRegisters) {
  const Parsed parsed = parse_instruction("mov.f32 %r1, %v.z;");
  EXPECT_EQ(parsed.operands[1].component, 3);
}

TEST(Operands, KeepFloatBits) {
  const Parsed parsed = parse_instruction("fma.rn.f32 %r1, %r2, 0f3F000000, 1.5;");
  EXPECT_EQ(parsed.operands[2].kind, OperandKind::kFloat32);
  EXPECT_EQ(parsed.operands[2].value, 0x3f000000);
  EXPECT_EQ(parsed.operands[3].kind, OperandKind::kFloat64);
}

TEST(Operands, RejectUndeclaredNames) {
  EXPECT_EQ(kernel_message("\n.reg .b32 a;\nmov.b32 a, b;"),
            "test.ptx:8: b, used in line 7, must be declared or be a label of k");
  EXPECT_EQ(kernel_message("ld.global.u32 _, [x];"),
            "test.ptx:5: the address x must be a declared register or variable");
}

TEST(Operands, RejectDeepNesting) {
  EXPECT_THROW(parse_kernel("mov.b32 " + std::string(100000, '{')), ParseError);
}

}  // namespace
}  // namespace slipstream::ptx
