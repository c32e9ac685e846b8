#include "code/ptx/declarations.h"

#include <gtest/gtest.h>

#include <cstring>

#include "parse.h"

namespace slipstream::ptx {
namespace {

template <class T>
T initial_value(const Variable& variable, size_t index) {
  T value;
  EXPECT_LE((index + 1) * sizeof(T), variable.initializer.size());
  std::memcpy(&value, variable.initializer.data() + index * sizeof(T), sizeof(T));
  return value;
}

TEST(Declarations, TakeNaturalAlignmentUnlessTold) {
  const auto module =
      parse_module(".global .v4 .f32 a; .global .align 32 .b8 b[5]; .shared .u64 c;");
  EXPECT_EQ(module->find_variable("a")->alignment, 16U);
  EXPECT_EQ(module->find_variable("a")->size, 16U);
  EXPECT_EQ(module->find_variable("b")->alignment, 32U);
  EXPECT_EQ(module->find_variable("b")->size, 5U);
  EXPECT_EQ(module->find_variable("c")->space, Space::kShared);
  EXPECT_EQ(module->find_variable("c")->alignment, 8U);
}

TEST(Declarations, ReadInitializersOfEveryType) {
  const auto module = parse_module(
      ".global .f32 a[3] = {1.0, 0f40000000, 3};\n.global .s16 b[2] = {-1, 0x7fff};\n"
      ".const .f64 c = 0d4000000000000000;\n");
  EXPECT_EQ(initial_value<float>(*module->find_variable("a"), 0), 1.0F);
  EXPECT_EQ(initial_value<float>(*module->find_variable("a"), 1), 2.0F);
  EXPECT_EQ(initial_value<float>(*module->find_variable("a"), 2), 3.0F);
  EXPECT_EQ(initial_value<int16_t>(*module->find_variable("b"), 0), -1);
  EXPECT_EQ(initial_value<double>(*module->find_variable("c"), 0), 2.0);
}

TEST(Declarations, PlaceNestedInitializersRowByRow) {
  const auto module = parse_module(".global .u32 a[2][3] = {{1, 2}, {3}};");
  const Variable& a = *module->find_variable("a");
  EXPECT_EQ(a.size, 24U);
  EXPECT_EQ(initial_value<uint32_t>(a, 1), 2U);
  EXPECT_EQ(initial_value<uint32_t>(a, 2), 0U);
  EXPECT_EQ(initial_value<uint32_t>(a, 3), 3U);
}

TEST(Declarations, TakeTheSizeOfAnOpenArrayFromItsInitializer) {
  const auto module = parse_module(".global .u32 a[] = {1, 2, 3};");
  EXPECT_EQ(module->find_variable("a")->size, 12U);
  EXPECT_EQ(module->find_variable("a")->elements, 3U);
}

TEST(Declarations, KeepAddressesAsRelocations) {
  const auto module = parse_module(
      ".func f();\n.global .u32 x;\n.global .u64 a[3] = {generic(x) + 4, f, x};\n"
      ".global .u8 b = 0xFF00(x);\n");
  const Variable& a = *module->find_variable("a");
  ASSERT_EQ(a.relocations.size(), 3U);
  EXPECT_TRUE(a.relocations[0].generic);
  EXPECT_EQ(a.relocations[0].variable, module->find_variable("x"));
  EXPECT_EQ(a.relocations[0].addend, 4);
  EXPECT_EQ(a.relocations[1].function, module->find_function("f"));
  EXPECT_EQ(a.relocations[1].offset, 8U);
  EXPECT_FALSE(a.relocations[2].generic);
  EXPECT_EQ(module->find_variable("b")->relocations[0].shift, 8U);
}

TEST(Declarations, LayOutParametersByAlignment) {
  const auto module = parse_module(
      ".entry k(.param .u8 a, .param .u64 .ptr .global .align 16 b, .param .align 16 .b8 c[20], "
      ".param .u16 d) { ret; }");
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(kernel.parameters[0].offset, 0U);
  EXPECT_EQ(kernel.parameters[1].offset, 8U);
  EXPECT_TRUE(kernel.parameters[1].is_pointer);
  EXPECT_EQ(kernel.parameters[1].pointer_space, Space::kGlobal);
  EXPECT_EQ(kernel.parameters[1].pointer_alignment, 16U);
  EXPECT_EQ(kernel.parameters[2].offset, 16U);
  EXPECT_EQ(kernel.parameters[3].offset, 36U);
  EXPECT_EQ(kernel.parameter_bytes, 38U);
}

TEST(Declarations, MergeAnExternDeclarationWithItsDefinition) {
  const auto module = parse_module(".extern .global .u32 a;\n.visible .global .u32 a = 5;");
  EXPECT_EQ(module->variables.size(), 1U);
  EXPECT_EQ(module->find_variable("a")->linkage, Linkage::kVisible);
  EXPECT_EQ(initial_value<uint32_t>(*module->find_variable("a"), 0), 5U);
}

TEST(Declarations, RejectWhatDoesNotFit) {
  EXPECT_THROW(parse_module(".global .u32 a[2] = {1, 2, 3};"), ParseError);
  EXPECT_THROW(parse_module(".global .align 3 .u32 a;"), ParseError);
  EXPECT_THROW(parse_module(".global .u32 a[0x7fffffffffffffff][4];"), ParseError);
  EXPECT_THROW(parse_module(".global .u8 a[2][0xffffffffff] = {{1}, {2}};"), ParseError);
  EXPECT_THROW(parse_module(".global .u64 a = nowhere;"), ParseError);
  EXPECT_THROW(parse_module(".global .u32 a; .global .u32 a;"), ParseError);
}

}  // namespace
}  // namespace slipstream::ptx
