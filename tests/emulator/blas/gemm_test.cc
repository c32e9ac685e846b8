#include <algorithm>
#include <complex>
#include <limits>

#include "blas_test.h"

namespace slipstream::emulator::blas {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

cublasOperation_t operation(const Shape& shape) {
  return shape.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
}

// As memory has it, with room after each column.
Shape shape_for(int rows, int columns, bool transposed, int room) {
  if (transposed) std::swap(rows, columns);
  return {rows, columns, rows + room, transposed};
}

struct Types {
  cudaDataType operands;
  cudaDataType result;
  cublasComputeType_t compute;
};

struct Case {
  int m;
  int n;
  int k;
  double alpha;
  double beta;
  bool transa = false;
  bool transb = false;
};

// alpha and beta, as the compute type has them.
std::vector<std::byte> scalar(cublasComputeType_t compute, double value) {
  std::vector<std::byte> bytes(8);
  encode_element(compute == CUBLAS_COMPUTE_64F   ? CUDA_R_64F
                 : compute == CUBLAS_COMPUTE_16F ? CUDA_R_16F
                 : compute == CUBLAS_COMPUTE_32I ? CUDA_R_32I
                                                 : CUDA_R_32F,
                 value, bytes.data());
  return bytes;
}

void expect_close(const Values& got, const Values& before, const Case& given, const Values& a,
                  const Shape& shape_a, const Values& b, const Shape& shape_b, int ldc,
                  cudaDataType type) {
  for (int j = 0; j < given.n; ++j) {
    for (int i = 0; i < ldc; ++i) {
      const size_t at = static_cast<size_t>(j) * ldc + i;
      if (i >= given.m) {
        EXPECT_EQ(got[at], before[at]) << "between columns";
        continue;
      }
      Exact exact = product_at(a, shape_a, b, shape_b, i, j, given.k);
      const double addend = given.beta == 0 ? 0 : given.beta * before[at];
      exact = {given.alpha * exact.value + addend,
               std::abs(given.alpha) * exact.magnitude + std::abs(addend)};
      EXPECT_NEAR(got[at], exact.value, tolerance(exact, given.k, type)) << i << ", " << j;
    }
  }
}

void expect_gemm(const Types& types, const Case& given) {
  SCOPED_TRACE(testing::Message() << "types " << types.operands << ", " << types.result << ", "
                                  << given.m << " x " << given.n << " x " << given.k
                                  << (given.transa ? " At" : "") << (given.transb ? " Bt" : ""));
  // Leading dimensions of 8-bit integers are multiples of four.
  const bool integers = types.operands == CUDA_R_8I;
  const Shape shape_a = shape_for(given.m, given.k, given.transa, integers ? 4 : 3);
  const Shape shape_b = shape_for(given.k, given.n, given.transb, integers ? 8 : 1);
  const int ldc = given.m + 2;
  const auto random = integers ? random_integers : random_values;
  const Values a = random(shape_a.elements(), 1);
  const Values b = random(shape_b.elements(), 2);
  const Values c = random(static_cast<size_t>(ldc) * given.n, 3);
  const Memory device_a(types.operands, a);
  const Memory device_b(types.operands, b);
  const Memory device_c(types.result, c);
  const Handle handle;
  ASSERT_EQ(cublasGemmStridedBatchedEx(
                handle, operation(shape_a), operation(shape_b), given.m, given.n, given.k,
                scalar(types.compute, given.alpha).data(), device_a.data<void>(), types.operands,
                shape_a.leading, 0, device_b.data<void>(), types.operands, shape_b.leading, 0,
                scalar(types.compute, given.beta).data(), device_c.data<void>(), types.result, ldc,
                0, 1, types.compute, CUBLAS_GEMM_DEFAULT),
            kSuccess);
  expect_close(device_c.values(), c, given, a, shape_a, b, shape_b, ldc, types.result);
}

TEST(Gemm, IsRightInEveryTypeTransposedOrNot) {
  const Types all[] = {
      {CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F},
      {CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32},
      {CUDA_R_64F, CUDA_R_64F, CUBLAS_COMPUTE_64F},
      {CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F},
      {CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_16F},
      {CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F},
      {CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F},
      {CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F},
      {CUDA_R_8I, CUDA_R_32F, CUBLAS_COMPUTE_32F},
  };
  for (const Types& types : all) {
    for (const bool transa : {false, true}) {
      for (const bool transb : {false, true}) {
        expect_gemm(types, {33, 17, 70, 0.5, 2, transa, transb});
      }
    }
  }
}

TEST(Gemm, OfIntegersIsExact) {
  for (const bool transposed : {false, true}) {
    expect_gemm({CUDA_R_8I, CUDA_R_32I, CUBLAS_COMPUTE_32I}, {20, 12, 400, 2, -3, transposed});
  }
}

TEST(Gemm, TakesEverySize) {
  const Types types{CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F};
  for (const int size : {1, 2, 7, 130}) {
    expect_gemm(types, {size, 1, 5, 1, 1});
    expect_gemm(types, {1, size, 5, 1, 1, true, true});
    expect_gemm(types, {3, 4, size, -1, 0});
  }
}

TEST(Gemm, OfDepthZeroScalesTheResult) {
  expect_gemm({CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F}, {3, 4, 0, 1, 0.5});
}

TEST(Gemm, OfNoRowsOrColumnsTouchesNothing) {
  const Handle handle;
  const float one = 1;
  for (const auto& [m, n] : {std::pair{0, 4}, std::pair{4, 0}}) {
    EXPECT_EQ(cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, 4, &one, nullptr, 4, nullptr,
                             4, &one, nullptr, 4),
              kSuccess);
  }
}

// 2 x 2 in each place.
struct Small {
  Memory a{Values{1, 2, 3, 4}};
  Memory b{Values{5, 6, 7, 8}};
  Memory c{Values{1, 1, 1, 1}};
  Handle handle;

  cublasStatus_t run(const float* alpha, const float* beta, const float* from) const {
    return cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, alpha, from, 2, b.data(), 2,
                          beta, c.data(), 2);
  }
};

TEST(Gemm, DoesNotReadTheResultWhereBetaIsZero) {
  const Memory a({1, 2, 3, 4});
  const Memory c({kNan, kNan, kNan, kNan});
  const Handle handle;
  const float one = 1;
  const float zero = 0;
  ASSERT_EQ(cublasSgemm_v2_64(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, a.data(), 2,
                              a.data(), 2, &zero, c.data(), 2),
            kSuccess);
  EXPECT_EQ(c.values(), (Values{7, 10, 15, 22}));
}

TEST(Gemm, DoesNotReadOperandsWhereAlphaIsZero) {
  const Memory nans({kNan, kNan, kNan, kNan});
  const Small small;
  const float zero = 0;
  const float two = 2;
  ASSERT_EQ(small.run(&zero, &two, nans.data()), kSuccess);
  EXPECT_EQ(small.c.values(), (Values{2, 2, 2, 2}));
}

TEST(Gemm, TakesScalarsFromTheDevice) {
  const Memory scalars({2, 10});
  const Small small;
  ASSERT_EQ(cublasSetPointerMode_v2(small.handle, CUBLAS_POINTER_MODE_DEVICE), kSuccess);
  ASSERT_EQ(small.run(scalars.data(), scalars.data() + 1, small.a.data()), kSuccess);
  EXPECT_EQ(small.c.values(), (Values{56, 78, 72, 102}));
}

TEST(Gemm, ConjugatesComplexMatrices) {
  using Complex = std::complex<double>;
  const Memory a(CUDA_R_64F, {1, 2, 3, -1});  // 1 + 2i, 3 - i: a column
  const Memory c(CUDA_R_64F, {0, 0});
  const Handle handle;
  const Complex one = 1;
  const Complex zero = 0;
  ASSERT_EQ(cublasZgemm_v2(handle, CUBLAS_OP_C, CUBLAS_OP_N, 1, 1, 2, &one, a.data<void>(), 2,
                           a.data<void>(), 2, &zero, c.data<void>(), 1),
            kSuccess);
  EXPECT_EQ(c.values(), (Values{15, 0}));
  ASSERT_EQ(cublasZgemm_v2(handle, CUBLAS_OP_T, CUBLAS_OP_N, 1, 1, 2, &one, a.data<void>(), 2,
                           a.data<void>(), 2, &zero, c.data<void>(), 1),
            kSuccess);
  EXPECT_EQ(c.values(), (Values{5, -2}));
}

TEST(Gemm, OfABatchAtStridesMayShareAMatrix) {
  const Memory a({1, 2, 3, 4});
  const Memory b({1, 0, 0, 1, 2, 0, 0, 2});
  const Memory c({9, 9, 9, 9, 9, 9, 9, 9, 9, 9});
  const Handle handle;
  const float one = 1;
  const float zero = 0;
  ASSERT_EQ(
      cublasGemmStridedBatchedEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, a.data(),
                                 CUDA_R_32F, 2, 0, b.data(), CUDA_R_32F, 2, 4, &zero, c.data(),
                                 CUDA_R_32F, 2, 5, 2, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      kSuccess);
  EXPECT_EQ(c.values(), (Values{1, 2, 3, 4, 9, 2, 4, 6, 8, 9}));
}

TEST(Gemm, OfABatchTakesPointersFromTheDevice) {
  const Memory a({1, 2, 3, 4});
  const Memory c({0, 0, 0, 0, 0, 0, 0, 0});
  float* const pointers[] = {a.data(), a.data(), c.data() + 4, c.data()};
  float** device = nullptr;
  ASSERT_EQ(cudaMalloc(reinterpret_cast<void**>(&device), sizeof pointers), cudaSuccess);
  ASSERT_EQ(cudaMemcpy(device, pointers, sizeof pointers, cudaMemcpyDefault), cudaSuccess);
  const Handle handle;
  const float one = 1;
  const float zero = 0;
  ASSERT_EQ(cublasSgemmBatched(handle, CUBLAS_OP_N, CUBLAS_OP_T, 2, 2, 1, &one, device, 2, device,
                               2, &zero, device + 2, 2, 2),
            kSuccess);
  EXPECT_EQ(c.values(), (Values{1, 2, 2, 4, 1, 2, 2, 4}));
  cudaFree(device);
}

TEST(Gemv, TakesStepsOfEitherSign) {
  const Memory a({1, 2, 3, 4, 5, 6});  // 2 x 3
  const Memory x({1, 9, 10, 9, 100, 9});
  const Memory y({7, 8, 7, 8});
  const Handle handle;
  const float one = 1;
  const float zero = 0;
  ASSERT_EQ(cublasSgemv_v2(handle, CUBLAS_OP_N, 2, 3, &one, a.data(), 2, x.data(), 2, &zero,
                           y.data(), -2),
            kSuccess);
  EXPECT_EQ(y.values(), (Values{642, 8, 531, 8}));
  ASSERT_EQ(
      cublasSgemv_v2(handle, CUBLAS_OP_T, 2, 3, &one, a.data(), 2, y.data(), 2, &zero, x.data(), 1),
      kSuccess);
  EXPECT_EQ(x.values(), (Values{1704, 4050, 6396, 9, 100, 9}));
}

}  // namespace
}  // namespace slipstream::emulator::blas
