#include <algorithm>
#include <functional>

#include "blas_test.h"

namespace slipstream::emulator::blas {
namespace {

class Layout {
 public:
  Layout(cudaDataType type, uint64_t rows, uint64_t columns, int64_t leading) {
    EXPECT_EQ(cublasLtMatrixLayoutCreate(&handle_, type, rows, columns, leading), kSuccess);
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(handle_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  operator cublasLtMatrixLayout_t() const {
    return handle_;
  }  // NOLINT(google-explicit-constructor)

  template <class T>
  void set(cublasLtMatrixLayoutAttribute_t attribute, T value) {
    ASSERT_EQ(cublasLtMatrixLayoutSetAttribute(handle_, attribute, &value, sizeof value), kSuccess);
  }

 private:
  cublasLtMatrixLayout_t handle_ = nullptr;
};

// D = A * B of f32 in column order, 3 x 2 of depth 2, unless a test says otherwise.
struct Lt : testing::Test {
  ~Lt() override { cublasLtMatmulDescDestroy(matmul); }

  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, T value) {
    ASSERT_EQ(cublasLtMatmulDescSetAttribute(matmul, attribute, &value, sizeof value), kSuccess);
  }
  void set_epilogue(cublasLtEpilogue_t epilogue) {
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(epilogue));
  }
  [[nodiscard]] cublasLtHandle_t light() const {
    return reinterpret_cast<cublasLtHandle_t>(static_cast<cublasHandle_t>(handle));
  }
  [[nodiscard]] cublasStatus_t run(float beta = 0) const {
    const float one = 1;
    return cublasLtMatmul(light(), matmul, &one, a.data<void>(), layout_a, b.data<void>(), layout_b,
                          &beta, c.data<void>(), layout_d, d.data<void>(), layout_d, nullptr,
                          nullptr, 0, nullptr);
  }

  static cublasLtMatmulDesc_t make() {
    cublasLtMatmulDesc_t made = nullptr;
    EXPECT_EQ(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F), kSuccess);
    return made;
  }

  Handle handle;
  cublasLtMatmulDesc_t matmul = make();
  Memory a{Values{1, 2, 3, 4, 5, 6}};
  Memory b{Values{1, 0, 0, -1}};  // D is A with its second column negated
  Memory c{Values{1, 1, 1, 1, 1, 1}};
  Memory d{Values{0, 0, 0, 0, 0, 0}};
  Layout layout_a{CUDA_R_32F, 3, 2, 3};
  Layout layout_b{CUDA_R_32F, 2, 2, 2};
  Layout layout_d{CUDA_R_32F, 3, 2, 3};
};

const Values kProduct{1, 2, 3, -4, -5, -6};

Values mapped(Values values, const std::function<double(double)>& function) {
  std::ranges::transform(values, values.begin(), function);
  return values;
}
double relu(double x) { return std::max(x, 0.0); }
double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

void expect_near(const Values& got, const Values& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-5) << i;
}

TEST_F(Lt, MultipliesIntoAnotherMatrixThanC) {
  ASSERT_EQ(run(2), kSuccess);
  EXPECT_EQ(d.values(), mapped(kProduct, [](double x) { return x + 2; }));
  EXPECT_EQ(c.values(), Values(6, 1));
}

TEST_F(Lt, HasOneAlgorithm) {
  cublasLtMatmulHeuristicResult_t results[2];
  int count = 0;
  ASSERT_EQ(cublasLtMatmulAlgoGetHeuristic(light(), matmul, layout_a, layout_b, layout_d, layout_d,
                                           nullptr, 2, results, &count),
            kSuccess);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(results[0].state, kSuccess);
  EXPECT_EQ(results[0].workspaceSize, 0U);
}

TEST_F(Lt, KeepsAttributes) {
  set_epilogue(CUBLASLT_EPILOGUE_GELU);
  uint32_t value = 0;
  size_t written = 0;
  ASSERT_EQ(cublasLtMatmulDescGetAttribute(matmul, CUBLASLT_MATMUL_DESC_EPILOGUE, &value,
                                           sizeof value, &written),
            kSuccess);
  EXPECT_EQ(value, CUBLASLT_EPILOGUE_GELU);
  EXPECT_EQ(written, sizeof value);
}

TEST_F(Lt, RefusesAnAttributeOfAnotherSize) {
  const uint64_t value = 1;
  EXPECT_EQ(
      cublasLtMatmulDescSetAttribute(matmul, CUBLASLT_MATMUL_DESC_EPILOGUE, &value, sizeof value),
      CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(Lt, ReadsMatricesInRowOrder) {
  // The same memory: A is 3 x 2 in rows of 2.
  Layout rows_a(CUDA_R_32F, 3, 2, 2);
  rows_a.set(CUBLASLT_MATRIX_LAYOUT_ORDER, int32_t{CUBLASLT_ORDER_ROW});
  const float one = 1;
  const float zero = 0;
  ASSERT_EQ(cublasLtMatmul(light(), matmul, &one, a.data<void>(), rows_a, b.data<void>(), layout_b,
                           &zero, c.data<void>(), layout_d, d.data<void>(), layout_d, nullptr,
                           nullptr, 0, nullptr),
            kSuccess);
  EXPECT_EQ(d.values(), (Values{1, 3, 5, -2, -4, -6}));
}

TEST_F(Lt, MultipliesABatch) {
  Layout one_a(CUDA_R_32F, 1, 1, 1);
  one_a.set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, int64_t{2});
  one_a.set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, int32_t{3});
  const float one = 1;
  const float zero = 0;
  ASSERT_EQ(
      cublasLtMatmul(light(), matmul, &one, a.data<void>(), one_a, a.data<void>(), one_a, &zero,
                     d.data<void>(), one_a, d.data<void>(), one_a, nullptr, nullptr, 0, nullptr),
      kSuccess);
  EXPECT_EQ(d.values(), (Values{1, 0, 9, 0, 25, 0}));
}

TEST_F(Lt, AddsABiasToEachColumn) {
  const Memory bias(CUDA_R_16BF, {10, 20, 30});
  set_epilogue(CUBLASLT_EPILOGUE_BIAS);
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data<void>());
  set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, int32_t{CUDA_R_16BF});
  ASSERT_EQ(run(), kSuccess);
  EXPECT_EQ(d.values(), (Values{11, 22, 33, 6, 15, 24}));
}

TEST_F(Lt, AppliesReluAfterTheBias) {
  const Memory bias({5, 5, 5});
  set_epilogue(CUBLASLT_EPILOGUE_RELU_BIAS);
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data<void>());
  ASSERT_EQ(run(), kSuccess);
  EXPECT_EQ(d.values(), mapped(kProduct, [](double x) { return relu(x + 5); }));
}

TEST_F(Lt, AppliesGelu) {
  set_epilogue(CUBLASLT_EPILOGUE_GELU);
  ASSERT_EQ(run(), kSuccess);
  expect_near(d.values(), mapped(kProduct, gelu));
}

TEST_F(Lt, KeepsWhatGeluWasAppliedTo) {
  const Memory bias({1, 1, 1});
  const Memory inputs({9, 9, 9, 9, 9, 9, 9});
  set_epilogue(CUBLASLT_EPILOGUE_GELU_AUX_BIAS);
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.data<void>());
  set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, inputs.data<void>());
  set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, int64_t{4});
  ASSERT_EQ(run(), kSuccess);
  EXPECT_EQ(inputs.values(), (Values{2, 3, 4, 9, -3, -4, -5}));
  expect_near(d.values(), mapped(kProduct, [](double x) { return gelu(x + 1); }));
}

TEST_F(Lt, AppliesTheGradientOfGeluAndSumsIt) {
  const Memory inputs({0.5, -1, 2, 0, 1, -0.25});
  const Memory sums({0, 0, 0});
  set_epilogue(CUBLASLT_EPILOGUE_DGELU_BGRAD);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, inputs.data<void>());
  set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, int64_t{3});
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, sums.data<void>());
  ASSERT_EQ(run(), kSuccess);
  const Values at = inputs.values();
  Values wanted(6);
  for (size_t i = 0; i < 6; ++i) {
    constexpr double kStep = 1e-5;
    wanted[i] = kProduct[i] * (gelu(at[i] + kStep) - gelu(at[i] - kStep)) / (2 * kStep);
  }
  expect_near(d.values(), wanted);
  expect_near(sums.values(), {wanted[0] + wanted[3], wanted[1] + wanted[4], wanted[2] + wanted[5]});
}

TEST_F(Lt, KeepsAMaskOfReluForItsGradient) {
  const Memory mask(CUDA_R_8I, Values(32, 0));
  set_epilogue(CUBLASLT_EPILOGUE_RELU_AUX);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, mask.data<void>());
  set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, int64_t{128});
  ASSERT_EQ(run(), kSuccess);
  EXPECT_EQ(d.values(), mapped(kProduct, relu));
  Values wanted(32, 0);
  wanted[0] = 7;
  EXPECT_EQ(mask.values(), wanted);
  set_epilogue(CUBLASLT_EPILOGUE_DRELU);
  ASSERT_EQ(run(1), kSuccess);
  EXPECT_EQ(d.values(), (Values{2, 3, 4, 0, 0, 0}));
}

TEST_F(Lt, SumsUpOperandsForTheGradientOfABias) {
  const Memory sums({0, 0, 0});
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, sums.data<void>());
  set_epilogue(CUBLASLT_EPILOGUE_BGRADA);
  ASSERT_EQ(run(), kSuccess);
  EXPECT_EQ(sums.values(), (Values{5, 7, 9}));
  set_epilogue(CUBLASLT_EPILOGUE_BGRADB);
  ASSERT_EQ(run(), kSuccess);
  EXPECT_EQ(sums.values(), (Values{1, -1, 9}));
}

TEST_F(Lt, RefusesSizesThatDoNotFit) {
  const Layout other(CUDA_R_32F, 3, 2, 3);
  const float one = 1;
  EXPECT_EQ(cublasLtMatmul(light(), matmul, &one, a.data<void>(), layout_a, b.data<void>(), other,
                           &one, c.data<void>(), layout_d, d.data<void>(), layout_d, nullptr,
                           nullptr, 0, nullptr),
            CUBLAS_STATUS_INVALID_VALUE);
}

// 16 x 16 of depth 32, K first in both.
struct LtFp8 : Lt {
  [[nodiscard]] cublasStatus_t multiply(cudaDataType type, const Memory& result) const {
    const float one = 1;
    const float zero = 0;
    const Layout a8(CUDA_R_8F_E4M3, 32, 16, 32);
    const Layout b8(type, 32, 16, 32);
    const Layout d8(result.type(), 16, 16, 16);
    return cublasLtMatmul(light(), matmul, &one, left.data<void>(), a8, right.data<void>(), b8,
                          &zero, nullptr, d8, result.data<void>(), d8, nullptr, nullptr, 0,
                          nullptr);
  }
  [[nodiscard]] Exact at(int i, int j) const {
    return product_at(left.values(), {32, 16, 32, true}, right.values(), {32, 16, 32}, i, j, 32);
  }

  Memory left{CUDA_R_8F_E4M3, random_values(512, 1)};
  Memory right{CUDA_R_8F_E4M3, random_values(512, 2)};
};

TEST_F(LtFp8, MultipliesWithScalesIntoBf16) {
  const Memory scales({0.5, 4});
  const Memory result(CUDA_R_16BF, Values(256, 0));
  set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scales.data());
  set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scales.data() + 1);
  ASSERT_EQ(multiply(CUDA_R_8F_E4M3, result), kSuccess);
  const Values got = result.values();
  for (int i = 0; i < 16; ++i) {
    const Exact exact = at(i, i);
    const Exact scaled{2 * exact.value, 2 * exact.magnitude};
    EXPECT_NEAR(got[static_cast<size_t>(i) * 17], scaled.value, tolerance(scaled, 32, CUDA_R_16BF));
  }
}

TEST_F(LtFp8, SaturatesAndTellsTheLargestMagnitude) {
  const Memory scales({64, 0});
  const Memory result(CUDA_R_8F_E4M3, Values(256, 0));
  set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(CUBLASLT_MATMUL_DESC_D_SCALE_POINTER, scales.data());
  set(CUBLASLT_MATMUL_DESC_AMAX_D_POINTER, scales.data() + 1);
  ASSERT_EQ(multiply(CUDA_R_8F_E4M3, result), kSuccess);
  double largest = 0;
  for (int i = 0; i < 256; ++i) largest = std::max(largest, std::abs(at(i % 16, i / 16).value));
  EXPECT_EQ(scales.values()[1], largest);
  const Values got = result.values();
  EXPECT_EQ(*std::ranges::max_element(got), 448);
}

TEST_F(LtFp8, IsRefusedWhereAGpuHasNoKernel) {
  const Memory result(CUDA_R_16BF, Values(256, 0));
  EXPECT_EQ(multiply(CUDA_R_8F_E4M3, result), CUBLAS_STATUS_NOT_SUPPORTED);  // A not transposed
}

}  // namespace
}  // namespace slipstream::emulator::blas
