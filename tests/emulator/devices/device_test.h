// What tests of several devices share. They run with four emulated devices.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <vector>

namespace slipstream::devices_test {

inline constexpr int kDevices = 4;

// A device of the test: its own stream, and words that start as zero.
struct TestDevice {
  int number = 0;
  cudaStream_t stream = nullptr;
  unsigned* words = nullptr;

  void use() const { ASSERT_EQ(cudaSetDevice(number), cudaSuccess); }
  unsigned read(int index) const {
    unsigned value = 0;
    EXPECT_EQ(cudaMemcpy(&value, words + index, sizeof(value), cudaMemcpyDefault), cudaSuccess);
    return value;
  }
};

class Devices : public testing::Test {
 protected:
  static constexpr int kWords = 1024;

  void SetUp() override {
    int count = 0;
    ASSERT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    ASSERT_EQ(count, kDevices) << "SLIPSTREAM_EMULATOR_DEVICES";
    for (int number = 0; number < kDevices; ++number) {
      TestDevice& device = devices_.emplace_back();
      device.number = number;
      device.use();
      ASSERT_EQ(cudaStreamCreateWithFlags(&device.stream, cudaStreamNonBlocking), cudaSuccess);
      ASSERT_EQ(cudaMalloc(&device.words, kWords * sizeof(unsigned)), cudaSuccess);
      ASSERT_EQ(cudaMemset(device.words, 0, kWords * sizeof(unsigned)), cudaSuccess);
      ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    }
    devices_[0].use();
  }
  void TearDown() override {
    for (const TestDevice& device : devices_) {
      device.use();
      EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
      EXPECT_EQ(cudaStreamDestroy(device.stream), cudaSuccess);
      EXPECT_EQ(cudaFree(device.words), cudaSuccess);
    }
    cudaSetDevice(0);
  }

  // Lets devices 0 and 1 use each other's memory.
  void connect() {
    devices_[0].use();
    const cudaError_t there = cudaDeviceEnablePeerAccess(1, 0);
    devices_[1].use();
    const cudaError_t back = cudaDeviceEnablePeerAccess(0, 0);
    for (const cudaError_t code : {there, back}) {
      ASSERT_TRUE(code == cudaSuccess || code == cudaErrorPeerAccessAlreadyEnabled);
    }
    cudaGetLastError();
    devices_[0].use();
  }

  std::vector<TestDevice> devices_;
};

}  // namespace slipstream::devices_test
