#include "code/ptx/function_parser.h"

#include <gtest/gtest.h>

#include "parse.h"

namespace slipstream::ptx {
namespace {

TEST(FunctionParser, SplitsOpcodesAtTheirDots) {
  const auto module = parse_kernel(
      ".reg .b32 r; .reg .b64 a;\nld.global.nc.L1::evict_last.L2::256B.s32 r, [a];\nret;");
  const Opcode& opcode = *module->find_function("k")->instructions[0].opcode;
  EXPECT_EQ(opcode.head, "ld");
  ASSERT_EQ(opcode.modifiers.size(), 5U);
  EXPECT_EQ(opcode.modifiers[2], "L1::evict_last");
  EXPECT_TRUE(opcode.has("L2::256B"));
  EXPECT_FALSE(opcode.has("L2"));
}

TEST(FunctionParser, KeepsOneOpcodePerSpelling) {
  const auto module = parse_kernel("bar.sync 0;\nbar.sync 1;\nret;");
  const auto& instructions = module->find_function("k")->instructions;
  EXPECT_EQ(instructions[0].opcode, instructions[1].opcode);
  EXPECT_EQ(module->opcodes.size(), 2U);
}

TEST(FunctionParser, ReadsGuards) {
  const auto module = parse_kernel(".reg .pred %p<2>;\n@%p1 ret;\n@!%p0 ret;\nret;");
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(kernel.register_name(kernel.instructions[0].guard), "%p1");
  EXPECT_FALSE(kernel.instructions[0].guard_negated);
  EXPECT_TRUE(kernel.instructions[1].guard_negated);
  EXPECT_EQ(kernel.instructions[2].guard, kNoIndex);
  EXPECT_EQ(module->text(kernel.instructions[1]), "@!%p0 ret;");
  EXPECT_EQ(kernel.instructions[1].line, 7U);
}

TEST(FunctionParser, ResolvesLabelsForwardsAndBackwards) {
  const auto module = parse_kernel("bra $L2;\n$L1: ret;\n$L2:\nbra.uni $L1;\nend:");
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(kernel.operands_of(kernel.instructions[0])[0].index, 2U);
  EXPECT_EQ(kernel.operands_of(kernel.instructions[2])[0].index, 1U);
  EXPECT_EQ(kernel.labels.back().instruction, 3U);
}

TEST(FunctionParser, KeepsLabelsAndRegistersInTheirScope) {
  const auto module = parse_kernel(
      ".reg .b32 a;\n{.reg.b16 a; LOOP: mov.b16 a, 0; bra LOOP; }\n{ bra LOOP; LOOP: mov.b32 a, 0; "
      "}\n");
  const Function& kernel = *module->find_function("k");
  const auto type_of_target = [&](size_t instruction) {
    return kernel.register_types[kernel.operands_of(kernel.instructions[instruction])[0].index];
  };
  EXPECT_EQ(type_of_target(0), Type::kB16);
  EXPECT_EQ(type_of_target(3), Type::kB32);
  EXPECT_EQ(kernel.operands_of(kernel.instructions[1])[0].index, 0U);
  EXPECT_EQ(kernel.operands_of(kernel.instructions[2])[0].index, 3U);
}

TEST(FunctionParser, LetsAnInnerBlockBranchOut) {
  const auto module = parse_kernel("{ { bra OUT; } }\nret;\nOUT: ret;");
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(kernel.operands_of(kernel.instructions[0])[0].index, 2U);
}

TEST(FunctionParser, TellsPrefixesThatEndInDigitsApart) {
  const auto module = parse_kernel(".reg .b32 %r1_<3>, %r<200>, %r1; mov.b32 %r1_2, %r12;");
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(kernel.register_name(kernel.operands[0].index), "%r1_2");
  EXPECT_EQ(kernel.register_name(kernel.operands[1].index), "%r12");
}

TEST(FunctionParser, ReadsDirectAndIndirectCalls) {
  const auto module = parse_module(
      ".func (.param .b32 result) f(.param .b32 a);\n.entry k() {\n"
      "{ .reg .b64 %rd; .param .b32 argument; .param .b32 value;\n"
      "call.uni (value), f, (argument);\n"
      "shape : .callprototype (.param .b32 _) _ (.param .b32 _) .noreturn;\n"
      "call (value), %rd, (argument), shape; }\n}");
  const Function& kernel = *module->find_function("k");
  const auto direct = kernel.operands_of(kernel.instructions[0]);
  ASSERT_EQ(direct.size(), 3U);
  EXPECT_EQ(direct[0].kind, OperandKind::kList);
  EXPECT_EQ(direct[1].function, module->find_function("f"));
  EXPECT_EQ(kernel.children_of(direct[2])[0].variable->name, "argument");
  const auto indirect = kernel.operands_of(kernel.instructions[1]);
  EXPECT_EQ(indirect[1].kind, OperandKind::kRegister);
  EXPECT_EQ(indirect[3].kind, OperandKind::kPrototype);
  EXPECT_TRUE(kernel.prototypes[indirect[3].index].noreturn);
  EXPECT_EQ(kernel.prototypes[0].parameters[0].size, 4U);
}

TEST(FunctionParser, ReadsBranchTargets) {
  const auto module = parse_kernel(
      ".reg .b32 r;\nA: ret;\ntargets: .branchtargets A, B;\nbrx.idx r, targets;\nB: ret;");
  const Function& kernel = *module->find_function("k");
  const auto operands = kernel.operands_of(kernel.instructions[1]);
  EXPECT_EQ(operands[1].kind, OperandKind::kBranchTargets);
  EXPECT_EQ(kernel.branch_targets[operands[1].index].instructions, (std::vector<uint32_t>{0, 2}));
}

TEST(FunctionParser, AttachesPragmasToTheNextInstruction) {
  const auto module = parse_kernel("ret;\n.pragma \"nounroll\";\nret;");
  const Function& kernel = *module->find_function("k");
  ASSERT_EQ(kernel.pragmas.size(), 1U);
  EXPECT_EQ(kernel.pragmas[0].text, "nounroll");
  EXPECT_EQ(kernel.pragmas[0].instruction, 1U);
}

TEST(FunctionParser, SaysWhereAndWhat) {
  EXPECT_EQ(kernel_message("\n\nret a"),
            "test.ptx:8: an instruction must have ';' here, not \"}\"");
  EXPECT_EQ(kernel_message(".reg .b32 a; .reg .b64 a;"),
            "test.ptx:5: a must be declared once in its scope");
  EXPECT_EQ(kernel_message("@p ret;"), "test.ptx:5: the guard p must be a declared .pred register");
  EXPECT_EQ(kernel_message("/* never\n closed"),
            "test.ptx:8: the comment that starts in line 5 must end with */");
}

TEST(FunctionParser, BoundsWhatATextCanAskFor) {
  EXPECT_THROW(parse_kernel(".reg .b32 %r<4000000000>;"), ParseError);
  EXPECT_THROW(parse_kernel(std::string(100000, '{')), ParseError);
}

}  // namespace
}  // namespace slipstream::ptx
