// Registers of the kernels that ship: with PDL a launch's CTAs start early only where those of the
// launch before have left enough.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "check/checker.h"
#include "code/fatbin.h"
#include "code/sass/cubin.h"

namespace slipstream::step {
namespace {

// Of the one kernel whose demangled name contains all of `parts`; 0 if there is none.
uint32_t registers_of(const std::vector<std::string>& parts) {
  uint32_t registers = 0;
  for (const code::Image& image : code::read_image_file("/proc/self/exe")) {
    if (image.kind != code::ImageKind::kElf) continue;
    const sass::Cubin cubin = sass::read_cubin(std::as_bytes(std::span(image.bytes)), "a cubin");
    for (const sass::Kernel& kernel : cubin.kernels) {
      const std::string name = check::demangle(kernel.name);
      const bool is_it = std::ranges::all_of(
          parts, [&](const std::string& part) { return name.find(part) != std::string::npos; });
      if (!is_it) continue;
      EXPECT_EQ(registers, 0U) << name;
      registers = kernel.registers;
    }
  }
  return registers;
}

// Each quarter of a multiprocessor has this many for every lane of its warps, in eights.
constexpr uint32_t kQuarter = 512;
uint32_t of_quarter(uint32_t warps, uint32_t registers) {
  return (warps + 3) / 4 * ((registers + 7) / 8 * 8);
}

TEST(Registers, OfScoreKeysLeaveRoomForSelectKeys) {
  const uint32_t scores = registers_of({"score_kernel("});
  const uint32_t select = registers_of({"select_kernel<false>("});
  ASSERT_TRUE(scores > 0 && select > 0);
  EXPECT_LE(of_quarter(9, scores) + of_quarter(16, select), kQuarter)
      << scores << " and " << select;
}

// Of a CTA of nine warps next to those of the launches before and after, of eight.
void expect_room_next_to(uint32_t down) {
  ASSERT_GT(down, 0U);
  std::vector<std::vector<std::string>> neighbors = {
      {"routed_kernel<", "StagedInput<false>"},
      {"linear_kernel<", "::NormSource", "(slipstream::step::kernels::Breadth)0"}};
  const std::vector<std::string> breadths = {"0", "1", "2", "4"};
  const std::vector<std::string> only_wide = {"2"};
  for (const std::string ranks : {"0", "2", "4", "8"}) {
    for (const std::string& breadth : ranks == "0" ? only_wide : breadths) {
      neighbors.push_back({"polling_linear_kernel<", "PeerNormSource<" + ranks + ">",
                           "(slipstream::step::kernels::Breadth)" + breadth});
    }
  }
  for (const auto& neighbor : neighbors) {
    const uint32_t others = registers_of(neighbor);
    ASSERT_GT(others, 0U) << neighbor.front() << neighbor.back();
    EXPECT_LE(of_quarter(9, down) + of_quarter(8, others), kQuarter)
        << down << " and " << others << " of " << neighbor.front() << neighbor.back();
  }
}

// One token: eight experts and a shared one.
TEST(Registers, OfExpertDownLeaveRoomForTheLaunchesBeforeAndAfterIt) {
  expect_room_next_to(registers_of({"down_kernel<", "StagedRows<1, true>"}));
  expect_room_next_to(registers_of({"banded_down_kernel<1, true, 2>"}));
}

// Three tokens: twelve warps take up to 25 items.
TEST(Registers, OfExpertDownOfThreeTokensLeaveRoomForTheNextLayer) {
  const uint32_t down = registers_of({"down_kernel<", "StagedRows<2, true>"});
  const uint32_t next =
      registers_of({"linear_kernel<", "::NormSource", "(slipstream::step::kernels::Breadth)1"});
  ASSERT_GT(down, 0U);
  ASSERT_GT(next, 0U);
  EXPECT_LE(of_quarter(12, down) + of_quarter(8, next), kQuarter) << down << " and " << next;
}

}  // namespace
}  // namespace slipstream::step
