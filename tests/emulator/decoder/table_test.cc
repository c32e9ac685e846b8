#include "emulator/decoder/table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace slipstream::emulator::table_test {
namespace {

ptx::Opcode opcode_of(std::string_view head, std::vector<std::string_view> modifiers) {
  ptx::Opcode opcode;
  opcode.head = head;
  opcode.modifiers = std::move(modifiers);
  return opcode;
}

TEST(Table, FindsTheFormAndWhatStandsInItsSlots) {
  const Match match = match_opcode(opcode_of("fma", {"ftz", "rn", "f32"}));
  ASSERT_NE(match.form, nullptr);
  EXPECT_TRUE(match.has(".ftz"));
  EXPECT_FALSE(match.has(".sat"));
  EXPECT_EQ(match.slots[0], ".rn");
}
TEST(Table, LeavesNoModifierOver) {
  EXPECT_EQ(match_opcode(opcode_of("add", {"s32", "sideways"})).form, nullptr);
  EXPECT_EQ(match_opcode(opcode_of("add", {})).form, nullptr);
  EXPECT_NE(match_opcode(opcode_of("add", {"s32"})).form, nullptr);
}
TEST(Table, NamesTheNearestPatternsOfAnUnknownSpelling) {
  const NearestPatterns nearest = nearest_patterns(opcode_of("fma", {"rn", "up", "f64"}), 2);
  ASSERT_EQ(nearest.patterns.size(), 2);
  EXPECT_EQ(nearest.patterns[0], "fma (.rn|.rz|.rm|.rp) .f64");
  EXPECT_GT(nearest.known, 2);
  EXPECT_EQ(nearest.foreign, std::vector<std::string_view>{"up"});
  EXPECT_EQ(nearest_patterns(opcode_of("frobnicate", {"f64"}), 2).known, 0);
}
TEST(Table, TakesAnyNumberWhereThePatternHasOne) {
  const auto matches = [](std::string_view shape) {
    const auto opcode =
        opcode_of("wgmma", {"mma_async", "sync", "aligned", shape, "f32", "bf16", "bf16"});
    return match_opcode(opcode).form != nullptr;
  };
  EXPECT_TRUE(matches("m64n8k16"));
  EXPECT_TRUE(matches("m64n256k16"));
  EXPECT_FALSE(matches("m64nk16"));
  EXPECT_FALSE(matches("m64n8k8"));
  EXPECT_FALSE(matches("m64n8xk16"));
}
TEST(Table, HasNoPatternTwice) {
  std::set<std::string_view> patterns;
  for (const Family& family : all_families()) {
    for (const Form& form : family.forms) {
      EXPECT_TRUE(patterns.insert(form.pattern).second) << form.pattern;
      EXPECT_NE(form.build, nullptr) << form.pattern;
    }
  }
}
TEST(Table, NamesTheFileOfEachFamily) {
  const auto sources = std::filesystem::path(SLIPSTREAM_EMULATOR_DOCUMENT).parent_path() /
                       "../src/emulator/instructions";
  for (const Family& family : all_families()) {
    std::ifstream file(sources / family.file);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    EXPECT_NE(text.find(fmt::format("{{\"{}\"", family.title)), std::string::npos) << family.file;
  }
}
TEST(Table, IsWhatTheDocumentationShows) {
  std::ifstream file(SLIPSTREAM_EMULATOR_DOCUMENT);
  const std::string document{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
  EXPECT_EQ(document, support_matrix())
      << "write the output of emulator_support_matrix to " << SLIPSTREAM_EMULATOR_DOCUMENT;
}

}  // namespace
}  // namespace slipstream::emulator::table_test
