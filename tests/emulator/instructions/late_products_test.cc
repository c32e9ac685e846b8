#include <cmath>

#include "wgmma_program.h"

namespace slipstream::emulator::late_products_test {
namespace {

using namespace wgmma_program;

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

// As many as there are tags for, and some more.
TEST(LateProducts, CompleteEarlyWhereTooManyAreInFlight) {
  const Product product{.columns = 8};
  std::string body;
  for (uint32_t i = product.registers(); i < kMaxColumns / 2; ++i) {
    body += fmt::format("mov.b32 %d{}, 0;\n", i);
  }
  body += kFence;
  const std::string tail = product.instruction().substr(product.instruction().find("},"));
  for (uint32_t i = 0; i < kMaxColumns / 2; i += 4) {
    body += fmt::format("{} {{%d{}, %d{}, %d{}, %d{}{}", product.opcode(), i, i + 1, i + 2, i + 3,
                        tail);
  }
  EXPECT_TRUE(is_right(product, late(product, body + kCommit + kWait)));
}

TEST(LateProducts, InACalledFunctionAreMadeAtOnce) {
  const Product product{.columns = 8};
  std::string text = kernel_of(product, R"(
    .param .b64 a;
    .param .b64 b;
    .param .align 16 .b8 result[16];
    st.param.b64 [a], %rd10;
    st.param.b64 [b], %rd11;
    call.uni (result), multiply, (a, b);
    ld.param.v4.b32 {%d0, %d1, %d2, %d3}, [result];
)");
  const std::string function = R"(
.func (.param .align 16 .b8 result[16]) multiply(.param .b64 a, .param .b64 b) {
  .reg .b32 %d<4>;
  .reg .b64 %rd<16>;
  ld.param.b64 %rd10, [a];
  ld.param.b64 %rd11, [b];
  mov.b32 %d0, 0x3f800000;
  mov.b32 %d1, %d0;
  mov.b32 %d2, %d0;
  mov.b32 %d3, %d0;
)" + kFence + product.instruction() +
                               kCommit + R"(
  st.param.v4.b32 [result], {%d0, %d1, %d2, %d3};
  ret;
}
)";
  text.insert(text.find(".visible .entry"), function);
  EXPECT_TRUE(is_right(product, run_text(product, text, Schedule::kAdversarial)));
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
}  // namespace slipstream::emulator::late_products_test
