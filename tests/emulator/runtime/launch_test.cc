// Launches, functions and variables. Everything here holds on a GPU as well.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels.h"

namespace slipstream::runtime_test {
namespace {

template <class Kernel>
const void* function(Kernel kernel) {
  return reinterpret_cast<const void*>(kernel);
}

template <class T>
class DeviceValues {
 public:
  explicit DeviceValues(size_t count) : count_(count) {
    EXPECT_EQ(cudaMalloc(&values_, count * sizeof(T)), cudaSuccess);
    EXPECT_EQ(cudaMemset(values_, 0, count * sizeof(T)), cudaSuccess);
  }
  ~DeviceValues() { EXPECT_EQ(cudaFree(values_), cudaSuccess); }

  T* get() const { return values_; }
  std::vector<T> read() const {
    std::vector<T> host(count_);
    EXPECT_EQ(cudaMemcpy(host.data(), values_, count_ * sizeof(T), cudaMemcpyDeviceToHost),
              cudaSuccess);
    return host;
  }

 private:
  size_t count_;
  T* values_ = nullptr;
};

TEST(Launch, HandsOverParametersOfAllSizes) {
  DeviceValues<int> in(2);
  const int values[2] = {0, 77};
  ASSERT_EQ(cudaMemcpy(in.get(), values, sizeof values, cudaMemcpyHostToDevice), cudaSuccess);
  DeviceValues<long long> out(4);
  launch_take_parameters(3, Mixed{'A', 12.5, {0, 0, 7}}, in.get(), -4, out.get());
  ASSERT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(out.read(), (std::vector<long long>{3, 125 + 'A' + 7, 77, -4}));
}

TEST(Launch, KnowsItsShape) {
  DeviceValues<unsigned> out(2);
  launch_write_shape({dim3(2, 3, 4), dim3(4, 1, 2)}, out.get());
  EXPECT_EQ(out.read(), (std::vector<unsigned>{234, 412}));
}

TEST(Launch, HasTheSharedMemoryAskedFor) {
  DeviceValues<int> out(64);
  launch_use_shared({1, 64, 64 * sizeof(int)}, out.get());
  EXPECT_EQ(out.read()[0], 126);
}

TEST(Launch, NeedsTheAttributeForLargeSharedMemory) {
  constexpr int kBytes = 100 * 1024;
  DeviceValues<int> out(64);
  launch_use_shared({1, 64, kBytes}, out.get());
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  ASSERT_EQ(cudaFuncSetAttribute(function(use_shared), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 kBytes),
            cudaSuccess);
  launch_use_shared({1, 64, kBytes}, out.get());
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(cudaFuncSetAttribute(function(use_shared), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 228 * 1024),
            cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST(Launch, RefusesAnEmptyGridAndAnOversizedBlock) {
  DeviceValues<int> out(64);
  launch_use_shared({0, 64, 256}, out.get());
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  launch_use_shared({1, 1025, 256}, out.get());
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  launch_use_shared({1, dim3(1, 1, 65), 256}, out.get());
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  launch_use_shared({dim3(1, 65536), 64, 256}, out.get());
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(Launch, RefusesWhatIsNoKernel) {
  int local = 0;
  EXPECT_EQ(cudaLaunchKernel(&local, dim3(1), dim3(1), nullptr, 0, nullptr),
            cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

TEST(Function, TellsItsAttributes) {
  cudaFuncAttributes attributes{};
  ASSERT_EQ(cudaFuncGetAttributes(&attributes, function(bounded)), cudaSuccess);
  EXPECT_EQ(attributes.maxThreadsPerBlock, 128);
  EXPECT_GE(attributes.binaryVersion, 90);
  EXPECT_EQ(attributes.sharedSizeBytes, 0U);
  EXPECT_GT(attributes.numRegs, 0);
}

TEST(Function, TellsItsNameAndParameters) {
  const char* name = nullptr;
  ASSERT_EQ(cudaFuncGetName(&name, function(take_parameters)), cudaSuccess);
  EXPECT_NE(std::string(name).find("take_parameters"), std::string::npos);
  size_t offset = 0;
  size_t size = 0;
  ASSERT_EQ(cudaFuncGetParamInfo(function(take_parameters), 1, &offset, &size), cudaSuccess);
  EXPECT_EQ(offset, 8U);
  EXPECT_EQ(size, sizeof(Mixed));
  EXPECT_EQ(cudaFuncGetParamInfo(function(take_parameters), 5, &offset, &size),
            cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST(Function, FitsOnAMultiprocessorAsOftenAsItsResourcesAllow) {
  int blocks = 0;
  ASSERT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function(bounded), 128, 0),
            cudaSuccess);
  EXPECT_EQ(blocks, 16);  // 2048 threads
  ASSERT_EQ(cudaFuncSetAttribute(function(bounded), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 112 * 1024),
            cudaSuccess);
  ASSERT_EQ(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function(bounded), 128, 112 * 1024),
      cudaSuccess);
  EXPECT_EQ(blocks, 2);  // shared memory
}

TEST(Variable, IsReadAndWrittenBySymbol) {
  int value = 20;
  ASSERT_EQ(cudaMemcpyToSymbol(counter_symbol(), &value, sizeof value), cudaSuccess);
  const float factor = 40;
  ASSERT_EQ(cudaMemcpyToSymbol(factors_symbol(), &factor, sizeof factor, 3 * sizeof(float)),
            cudaSuccess);
  DeviceValues<float> out(1);
  launch_use_variables(out.get());
  EXPECT_EQ(out.read()[0], 60.0F);
  ASSERT_EQ(cudaMemcpyFromSymbol(&value, counter_symbol(), sizeof value), cudaSuccess);
  EXPECT_EQ(value, 21);
  size_t size = 0;
  ASSERT_EQ(cudaGetSymbolSize(&size, factors_symbol()), cudaSuccess);
  EXPECT_EQ(size, 4 * sizeof(float));
}

TEST(Variable, MayBeManaged) {
  const int before = managed_counter_value();
  DeviceValues<float> out(1);
  launch_use_variables(out.get());
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(managed_counter_value(), before + 1);
}

TEST(Variable, ThatIsNoneIsRefused) {
  int local = 0;
  void* pointer = nullptr;
  EXPECT_EQ(cudaGetSymbolAddress(&pointer, &local), cudaErrorInvalidSymbol);
  cudaGetLastError();
}

TEST(Device, IsAnSm90) {
  cudaDeviceProp properties{};
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(properties.major, 9);
  EXPECT_EQ(properties.warpSize, 32);
  EXPECT_EQ(properties.sharedMemPerBlockOptin, 227U * 1024);
  int processors = 0;
  ASSERT_EQ(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0), cudaSuccess);
  EXPECT_EQ(processors, properties.multiProcessorCount);
}

TEST(Error, HasANameAndAText) {
  EXPECT_STREQ(cudaGetErrorName(cudaErrorIllegalAddress), "cudaErrorIllegalAddress");
  EXPECT_STREQ(cudaGetErrorString(cudaSuccess), "no error");
}

}  // namespace
}  // namespace slipstream::runtime_test
