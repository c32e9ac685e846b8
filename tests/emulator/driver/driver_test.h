// A program of the CUDA driver: a context, a module of PTX text, its memory.
#pragma once

#include <cuda.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace slipstream::driver_test {

// add(values, amount): adds to each of 32 values. twice(values), the same, doubles them after griddepcontrol.wait.
inline constexpr const char* kPtx = R"(
.version 8.0
.target sm_90
.address_size 64

.global .align 4 .u32 counter = 7;

.visible .entry add(.param .u64 values, .param .u32 amount)
{
  .reg .u64 %rd<4>;
  .reg .u32 %r<4>;
  ld.param.u64 %rd1, [values];
  ld.param.u32 %r1, [amount];
  mov.u32 %r2, %tid.x;
  mul.wide.u32 %rd2, %r2, 4;
  add.s64 %rd3, %rd1, %rd2;
  griddepcontrol.launch_dependents;
  ld.global.u32 %r3, [%rd3];
  add.u32 %r3, %r3, %r1;
  st.global.u32 [%rd3], %r3;
  ret;
}

.visible .entry twice(.param .u64 values)
{
  .reg .u64 %rd<4>;
  .reg .u32 %r<4>;
  ld.param.u64 %rd1, [values];
  mov.u32 %r2, %tid.x;
  mul.wide.u32 %rd2, %r2, 4;
  add.s64 %rd3, %rd1, %rd2;
  griddepcontrol.wait;
  ld.global.u32 %r3, [%rd3];
  add.u32 %r3, %r3, %r3;
  st.global.u32 [%rd3], %r3;
  ret;
}
)";

constexpr unsigned kThreads = 32;

class Driver : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    ASSERT_EQ(cuDeviceGet(&device_, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, device_), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(cuCtxSetCurrent(nullptr), CUDA_SUCCESS);
    EXPECT_EQ(cuDevicePrimaryCtxRelease(device_), CUDA_SUCCESS);
  }

  CUdevice device_ = -1;
  CUcontext context_ = nullptr;
};

class LoadedModule : public Driver {
 protected:
  void SetUp() override {
    Driver::SetUp();
    ASSERT_EQ(cuModuleLoadData(&module_, kPtx), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&add_, module_, "add"), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&twice_, module_, "twice"), CUDA_SUCCESS);
    ASSERT_EQ(cuMemAlloc(&values_, kThreads * sizeof(uint32_t)), CUDA_SUCCESS);
    ASSERT_EQ(cuMemsetD32(values_, 5, kThreads), CUDA_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(cuMemFree(values_), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleUnload(module_), CUDA_SUCCESS);
    Driver::TearDown();
  }

  CUresult add(uint32_t amount, CUstream stream = nullptr) {
    void* parameters[] = {&values_, &amount};
    return cuLaunchKernel(add_, 1, 1, 1, kThreads, 1, 1, 0, stream, parameters, nullptr);
  }

  std::vector<uint32_t> values() {
    std::vector<uint32_t> all(kThreads);
    EXPECT_EQ(cuMemcpyDtoH(all.data(), values_, kThreads * sizeof(uint32_t)), CUDA_SUCCESS);
    return all;
  }

  static std::vector<uint32_t> all(uint32_t value) {
    return std::vector<uint32_t>(kThreads, value);
  }

  CUmodule module_ = nullptr;
  CUfunction add_ = nullptr;
  CUfunction twice_ = nullptr;
  CUdeviceptr values_ = 0;
};

// What `action` prints on stderr.
template <class Action>
std::string errors_of(Action action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

}  // namespace slipstream::driver_test
