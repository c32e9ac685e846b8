// The driver's functions that make tensor maps, as programs reach them. Everything here holds on a
// GPU as well.
#include <cuda.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <array>

namespace slipstream::runtime_test {
namespace {

struct Answer {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
};

Answer ask(const char* name, unsigned version = 12000) {
  Answer answer;
  EXPECT_EQ(cudaGetDriverEntryPointByVersion(name, &answer.function, version, cudaEnableDefault,
                                             &answer.result),
            cudaSuccess);
  return answer;
}

TEST(DriverEntryPoints, HandOutTheFunctionsThatMakeTensorMaps) {
  for (const char* name :
       {"cuTensorMapEncodeTiled", "cuTensorMapReplaceAddress", "cuTensorMapEncodeIm2col"}) {
    const Answer answer = ask(name);
    EXPECT_EQ(answer.result, cudaDriverEntryPointSuccess) << name;
    EXPECT_NE(answer.function, nullptr) << name;
  }
}

TEST(DriverEntryPoints, SayWhatTheyDoNotHave) {
  const Answer answer = ask("cuThisFunctionDoesNotExist");
  EXPECT_EQ(answer.result, cudaDriverEntryPointSymbolNotFound);
  EXPECT_EQ(answer.function, nullptr);
}

TEST(DriverEntryPoints, SayThatAVersionIsTooOld) {
  const Answer answer = ask("cuTensorMapEncodeTiled", 11080);
  EXPECT_EQ(answer.result, cudaDriverEntryPointVersionNotSufficent);
  EXPECT_EQ(answer.function, nullptr);
}

class TensorMaps : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaMalloc(&memory_, 64 * 64 * 2), cudaSuccess);
    encode_ = reinterpret_cast<decltype(encode_)>(ask("cuTensorMapEncodeTiled").function);
    replace_ = reinterpret_cast<decltype(replace_)>(ask("cuTensorMapReplaceAddress").function);
    ASSERT_NE(encode_, nullptr);
    ASSERT_NE(replace_, nullptr);
  }
  void TearDown() override { EXPECT_EQ(cudaFree(memory_), cudaSuccess); }

  CUresult encode(CUtensorMap* map, const std::array<cuuint32_t, 2>& box,
                  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_NONE) {
    const std::array<cuuint64_t, 2> size = {64, 64};
    const std::array<cuuint64_t, 1> strides = {128};
    const std::array<cuuint32_t, 2> step = {1, 1};
    return encode_(map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, memory_, size.data(), strides.data(),
                   box.data(), step.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
                   CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  }

  void* memory_ = nullptr;
  decltype(&cuTensorMapEncodeTiled) encode_ = nullptr;
  decltype(&cuTensorMapReplaceAddress) replace_ = nullptr;
};

TEST_F(TensorMaps, AreEncodedWhereEveryArgumentIsAllowed) {
  CUtensorMap map{};
  EXPECT_EQ(encode(&map, {64, 8}, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_SUCCESS);
  EXPECT_EQ(replace_(&map, static_cast<char*>(memory_) + 16), CUDA_SUCCESS);
}

TEST_F(TensorMaps, AreRefusedWhereOneIsNot) {
  CUtensorMap map{};
  EXPECT_EQ(encode(nullptr, {64, 8}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(encode(&map, {64, 257}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(encode(&map, {64, 8}, CU_TENSOR_MAP_SWIZZLE_64B), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(encode(&map, {64, 8}), CUDA_SUCCESS);
  EXPECT_EQ(replace_(&map, static_cast<char*>(memory_) + 8), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace slipstream::runtime_test
