#include <gtest/gtest.h>

#include <cmath>

#include "emulator/arithmetic/tensor_product.h"
#include "lane_program.h"

namespace slipstream::emulator {
namespace {

// 32 lanes; row r of a shared 8x8 matrix of 16-bit elements holds 8 * r to 8 * r + 7.
std::vector<uint32_t> run_with_matrix(std::string_view body) {
  TestDevice test(module_of(".param .u64 in, .param .u64 out", fmt::format(R"(
    .shared .align 16 .b8 tile[128];
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd1, %rd1, %rd3;
    add.s64 %rd2, %rd2, %rd3;
    shl.b32 %r3, %r1, 2;
    mov.u32 %r2, tile;
    add.u32 %r4, %r2, %r3;
    ld.global.u32 %r5, [%rd1];
    st.shared.u32 [%r4], %r5;
    and.b32 %r6, %r1, 7;
    shl.b32 %r6, %r6, 4;
    add.u32 %r2, %r2, %r6;
    bar.sync 0;
    {}
    bar.sync 0;
    st.global.u32 [%rd2], %r20;
    ret;)",
                                                                           body)));
  std::vector<uint32_t> pairs(32);
  for (uint32_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = 2 * i | (2 * i + 1) << 16U;
  }
  const uint64_t out = test.upload(std::vector<uint32_t>(32));
  const auto fault = test.run(test.launch({test.upload(pairs), out}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint32_t>(out, 32);
}

TEST(Matrix, LoadsRowsIntoQuads) {
  const auto result = run_with_matrix("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r20}, [%r2];");
  EXPECT_EQ(result[0], 0x00010000U);
  EXPECT_EQ(result[5], (10U | 11U << 16U));
}

TEST(Matrix, TransposesWhileLoading) {
  const auto result =
      run_with_matrix("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r20}, [%r2];");
  // Lane 5 holds elements (2, 1) and (3, 1) of the stored matrix.
  EXPECT_EQ(result[5], (17U | 25U << 16U));
}

TEST(Matrix, StoresWhatItLoaded) {
  const auto result = run_with_matrix(R"(
    ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r10}, [%r2];
    bar.sync 0;
    stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%r2], {%r10};
    bar.sync 0;
    ld.shared.u32 %r20, [%r4];)");
  // The second pair of row 1 of the transposed matrix.
  EXPECT_EQ(result[5], (17U | 25U << 16U));
}

TEST(Matrix, TransposesInRegisters) {
  const auto result = run_with_matrix(R"(
    ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r10}, [%r2];
    movmatrix.sync.aligned.m8n8.trans.b16 %r20, %r10;)");
  EXPECT_EQ(result[5], (17U | 25U << 16U));
}

TEST(Matrix, NeedsAlignedRows) {
  TestDevice test(module_of(".param .u64 unused", R"(
    .shared .align 16 .b8 tile[256];
    mov.u32 %r2, tile;
    ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r20}, [%r2+8];
    ret;)"));
  const auto fault = test.run(test.launch({0}));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kMisaligned);
}

// --- The arithmetic that the vectors of a GPU showed.

float sum_of(const std::vector<float>& a, const std::vector<float>& b, float c) {
  TileStep step{};
  TileAccumulator accumulator{};
  std::copy(a.begin(), a.end(), step.a[3].begin());
  for (size_t k = 0; k < b.size(); ++k) {
    step.b[k][5] = b[k];
  }
  accumulator.value[3][5] = c;
  multiply_add(step, kTileDepth, accumulator);
  return accumulator.value[3][5];
}

TEST(TensorProduct, MultipliesAndAddsExactlyWhatFits) {
  EXPECT_EQ(sum_of({1, 2, 3}, {4, 5, 6}, 0.5F), 32.5F);
  EXPECT_EQ(sum_of({}, {}, -7.25F), -7.25F);
}

TEST(TensorProduct, CutsOffInsteadOfRounding) {
  // 1 + 3/4 of the last bit stays 1.
  EXPECT_EQ(sum_of({1, 0x1.8p-12F}, {1, 0x1p-12F}, 0), 1.0F);
  EXPECT_EQ(sum_of({-1, -0x1.8p-12F}, {1, 0x1p-12F}, 0), -1.0F);
}

TEST(TensorProduct, LosesWhatLiesFarBelowTheLargest) {
  // 2^-26 is cut off before the ones cancel; 2^-25 is not.
  EXPECT_EQ(sum_of({1, -1, 0x1p-13F}, {1, 1, 0x1p-13F}, 0), 0.0F);
  EXPECT_EQ(sum_of({1, -1, 0x1p-13F}, {1, 1, 0x1p-12F}, 0), 0x1p-25F);
}

TEST(TensorProduct, PropagatesInfinitiesAndNaNs) {
  EXPECT_EQ(sum_of({HUGE_VALF}, {1}, -3), HUGE_VALF);
  EXPECT_TRUE(std::isnan(sum_of({HUGE_VALF}, {0}, 1)));
  EXPECT_TRUE(std::isnan(sum_of({HUGE_VALF}, {1}, -HUGE_VALF)));
}

}  // namespace
}  // namespace slipstream::emulator
