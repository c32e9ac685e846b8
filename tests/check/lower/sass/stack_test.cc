// Words of the stack, in machine code as ptxas 13.0 writes it.
#include "check/lower/sass/stack.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "check/lower/sass/lower.h"

namespace slipstream::check::from_sass::stack_test {
namespace {

constexpr sass::Word kSetPointer{0x00000a00ff017b82, 0x0800};          // LDC R1, c[0x0][0x28]
constexpr sass::Word kMakeRoom{0xffffffc001017836, 0};                 // VIADD R1, R1, -0x40
constexpr sass::Word kStore{0x00002c0201007387, 0x00100800};           // STL [R1+0x2c], R2
constexpr sass::Word kStoreElsewhere{0x0000040201007387, 0x00100800};  // STL [R1+0x4], R2
constexpr sass::Word kLoad{0x00002c0001027983, 0x00100800};            // LDL R2, [R1+0x2c]
constexpr sass::Word kAddressBelow{0x0000000801187836, 0};             // VIADD R24, R1, 0x8
constexpr sass::Word kAddressAbove{0x0000003001187836, 0};             // VIADD R24, R1, 0x30

// The registers that both stores write, and the one that the load reads.
struct Words {
  uint32_t stored = kNone;
  uint32_t stored_elsewhere = kNone;
  uint32_t loaded = kNone;
};

Words words_of(const std::vector<sass::Word>& others) {
  std::vector<sass::Word> code = {kSetPointer, kMakeRoom};
  code.insert(code.end(), others.begin(), others.end());
  const size_t first = code.size();
  code.insert(code.end(), {kStore, kStoreElsewhere, kLoad});
  sass::Kernel kernel;
  kernel.name = "k";
  kernel.text = std::as_bytes(std::span(code));
  const Function function = decode(kernel, 90);
  const auto& instructions = function.instructions;
  return {.stored = function.destinations_of(instructions[first])[0],
          .stored_elsewhere = function.destinations_of(instructions[first + 1])[0],
          .loaded = function.sources_of(instructions[first + 2])[0].index};
}

TEST(Stack, HasARegisterForEachWord) {
  const Words words = words_of({});
  EXPECT_EQ(words.loaded, words.stored);
  EXPECT_NE(words.loaded, words.stored_elsewhere);
}

TEST(Stack, HasThemAboveTheHighestAddressThatIsComputed) {
  const Words words = words_of({kAddressBelow});
  EXPECT_EQ(words.loaded, words.stored);
  EXPECT_NE(words.loaded, words.stored_elsewhere);
}

TEST(Stack, IsOneCellBelowAnAddressThatIsComputed) {
  const Words words = words_of({kAddressAbove});
  EXPECT_EQ(words.loaded, words.stored);
  EXPECT_EQ(words.loaded, words.stored_elsewhere);
}

TEST(Stack, IsOneCellWhereItsPointerMoves) {
  sass::Kernel kernel;
  const std::vector<sass::Word> code = {kSetPointer, kStore, kMakeRoom, kStoreElsewhere};
  kernel.text = std::as_bytes(std::span(code));
  const Function function = decode(kernel, 90);
  EXPECT_EQ(function.destinations_of(function.instructions[1])[0],
            function.destinations_of(function.instructions[3])[0]);
}

}  // namespace
}  // namespace slipstream::check::from_sass::stack_test
