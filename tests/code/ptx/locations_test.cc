#include "code/ptx/locations.h"

#include <gtest/gtest.h>

#include "parse.h"

namespace slipstream::ptx {
namespace {

constexpr const char* kTwoLevels =
    ".entry k() {\n"
    ".loc 1 10 5\nnop1;\n"
    ".loc 2 20 7, function_name $names, inlined_at 1 10 5\nnop2;\n"
    ".loc 2 30 9, function_name $names+6, inlined_at 2 20 7 // comment\nnop3;\n"
    "}\n"
    ".file 1 \"main.cu\"\n.file 2 \"inner.cuh\", 17, 4\n"
    ".section .debug_str\n{\n$names:\n.b8 111,117,116,101,114,0\n.b8 105,110,0\n}\n"
    ".section .debug_abbrev { .b8 1 .b32 $a-$b }\n";

TEST(Locations, FollowTheInlineChain) {
  const auto module = parse_module(kTwoLevels);
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(module->describe_location(kernel.instructions[0]), "main.cu:10:5");
  EXPECT_EQ(module->describe_location(kernel.instructions[2]),
            "inner.cuh:30:9 inlined at inner.cuh:20:7 inlined at main.cu:10:5");
}

TEST(Locations, DecodeFunctionNames) {
  const auto module = parse_module(kTwoLevels);
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(module->locations[kernel.instructions[0].location].function_name, "");
  EXPECT_EQ(module->locations[kernel.instructions[1].location].function_name, "outer");
  EXPECT_EQ(module->locations[kernel.instructions[2].location].function_name, "in");
}

TEST(Locations, NameThePtxLineWhereThereIsNoSource) {
  const auto module = parse_kernel("\nret;");
  EXPECT_EQ(module->describe_location(module->find_function("k")->instructions[0]), "test.ptx:6");
}

TEST(Locations, TellCallSitesOfOneInlinedFunctionApart) {
  const auto module = parse_module(
      ".entry k() {\n"
      ".loc 1 1 1\n.loc 2 5 1, function_name f, inlined_at 1 1 1\na;\n"
      ".loc 1 2 1\n.loc 2 5 1, function_name f, inlined_at 1 2 1\nb;\n}\n"
      ".file 1 \"a\"\n.file 2 \"b\"\n");
  const Function& kernel = *module->find_function("k");
  EXPECT_EQ(module->describe_location(kernel.instructions[0]), "b:5:1 inlined at a:1:1");
  EXPECT_EQ(module->describe_location(kernel.instructions[1]), "b:5:1 inlined at a:2:1");
}

}  // namespace
}  // namespace slipstream::ptx
