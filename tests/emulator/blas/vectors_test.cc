#include <array>

#include "blas_test.h"

namespace slipstream::emulator::blas {
namespace {

struct Vectors : testing::Test {
  Handle handle;
  Memory x{Values{1, -2, 3}};
  Memory y{Values{10, 20, 30}};
};

TEST_F(Vectors, AreAddedScaledCopiedAndSwapped) {
  const float two = 2;
  ASSERT_EQ(cublasSaxpy_v2(handle, 3, &two, x.data(), 1, y.data(), 1), kSuccess);
  EXPECT_EQ(y.values(), (Values{12, 16, 36}));
  ASSERT_EQ(cublasSscal_v2(handle, 2, &two, x.data(), 2), kSuccess);
  EXPECT_EQ(x.values(), (Values{2, -2, 6}));
  ASSERT_EQ(cublasSswap_v2(handle, 3, x.data(), 1, y.data(), -1), kSuccess);
  EXPECT_EQ(x.values(), (Values{36, 16, 12}));
  EXPECT_EQ(y.values(), (Values{6, -2, 2}));
  ASSERT_EQ(cublasScopy_v2(handle, 3, x.data(), 1, y.data(), 1), kSuccess);
  EXPECT_EQ(y.values(), (Values{36, 16, 12}));
}

TEST_F(Vectors, GiveResultsToTheHost) {
  float result = 0;
  ASSERT_EQ(cublasSdot_v2(handle, 3, x.data(), 1, y.data(), 1, &result), kSuccess);
  EXPECT_EQ(result, 60);
  ASSERT_EQ(cublasSnrm2_v2(handle, 3, x.data(), 1, &result), kSuccess);
  EXPECT_FLOAT_EQ(result, std::sqrt(14.0F));
  int index = 0;
  ASSERT_EQ(cublasIsamax_v2(handle, 3, x.data(), 1, &index), kSuccess);
  EXPECT_EQ(index, 3);
  int64_t wide = 0;
  ASSERT_EQ(cublasIsamin_v2_64(handle, 3, x.data(), 1, &wide), kSuccess);
  EXPECT_EQ(wide, 1);
}

TEST_F(Vectors, GiveResultsToTheDevice) {
  ASSERT_EQ(cublasSetPointerMode_v2(handle, CUBLAS_POINTER_MODE_DEVICE), kSuccess);
  ASSERT_EQ(cublasSdot_v2(handle, 2, x.data(), 2, y.data(), 1, y.data() + 2), kSuccess);
  EXPECT_EQ(y.values(), (Values{10, 20, 70}));
}

TEST_F(Vectors, OfNoElementsHaveSumsOfZero) {
  float result = 5;
  ASSERT_EQ(cublasSdot_v2(handle, 0, x.data(), 1, y.data(), 1, &result), kSuccess);
  EXPECT_EQ(result, 0);
  int index = 5;
  ASSERT_EQ(cublasIsamax_v2(handle, -1, x.data(), 1, &index), kSuccess);
  EXPECT_EQ(index, 0);
}

TEST_F(Vectors, OfComplexNumbersMultiplyConjugated) {
  const Memory z(CUDA_R_64F, {1, 2, 3, -1});
  std::array<double, 2> result{};
  ASSERT_EQ(cublasZdotc_v2(handle, 2, z.data<void>(), 1, z.data<void>(), 1, result.data()),
            kSuccess);
  EXPECT_EQ(result, (std::array<double, 2>{15, 0}));
  ASSERT_EQ(cublasDzasum_v2(handle, 2, z.data<void>(), 1, result.data()), kSuccess);
  EXPECT_EQ(result[0], 7);
}

TEST_F(Vectors, OfHalvesMultiplyInSinglePrecision) {
  const Memory halves(CUDA_R_16F, Values(4096, 0.25));
  uint16_t result = 0;
  ASSERT_EQ(cublasDotEx(handle, 4096, halves.data<void>(), CUDA_R_16F, 1, halves.data<void>(),
                        CUDA_R_16F, 1, &result, CUDA_R_16F, CUDA_R_32F),
            kSuccess);
  EXPECT_EQ(decode(result, kF16Format), 256);
}

TEST_F(Vectors, AreRefusedInTypesThatDoNotGoTogether) {
  double result = 0;
  EXPECT_EQ(cublasDotEx(handle, 1, x.data<void>(), CUDA_R_32F, 1, y.data<void>(), CUDA_C_32F, 1,
                        &result, CUDA_R_32F, CUDA_R_32F),
            CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(Vectors, AreCopiedFromAndToTheHost) {
  const float matrix[] = {1, 2, 3, 4};
  ASSERT_EQ(cublasSetMatrix(1, 2, sizeof(float), matrix, 2, x.data(), 1), kSuccess);
  EXPECT_EQ(x.values(), (Values{1, 3, 3}));
  float got[4] = {};
  ASSERT_EQ(cublasGetVector(2, sizeof(float), y.data(), 2, got, 3), kSuccess);
  EXPECT_EQ(got[0], 10);
  EXPECT_EQ(got[3], 30);
}

}  // namespace
}  // namespace slipstream::emulator::blas
