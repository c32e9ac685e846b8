// Contexts, and how they and the runtime's current device are one thing.
#include <cuda.h>
#include <cuda_runtime.h>

#include <thread>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

CUcontext current() {
  CUcontext context = nullptr;
  EXPECT_EQ(cuCtxGetCurrent(&context), CUDA_SUCCESS);
  return context;
}

CUcontext primary(CUdevice device) {
  CUcontext context = nullptr;
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, device), CUDA_SUCCESS);
  return context;
}

// Each in a thread of its own: what is current belongs to the thread.
template <class Action>
void in_a_new_thread(Action action) {
  ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  std::thread(action).join();
}

TEST(Contexts, AreNeededForMemoryAndModules) {
  in_a_new_thread([] {
    EXPECT_EQ(current(), nullptr);
    CUdeviceptr memory = 0;
    EXPECT_EQ(cuMemAlloc(&memory, 4), CUDA_ERROR_INVALID_CONTEXT);
    CUmodule module = nullptr;
    EXPECT_EQ(cuModuleLoadData(&module, kPtx), CUDA_ERROR_INVALID_CONTEXT);
    CUdevice device = 0;
    EXPECT_EQ(cuCtxGetDevice(&device), CUDA_ERROR_INVALID_CONTEXT);
  });
}

TEST(Contexts, AreMadeCurrentByTheRuntime) {
  in_a_new_thread([] {
    ASSERT_EQ(cudaFree(nullptr), cudaSuccess);
    EXPECT_EQ(current(), primary(0));
    ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
    EXPECT_EQ(current(), primary(1));
  });
}

TEST(Contexts, ChooseTheRuntimesDevice) {
  in_a_new_thread([] {
    ASSERT_EQ(cuCtxSetCurrent(primary(1)), CUDA_SUCCESS);
    int device = -1;
    EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
    EXPECT_EQ(device, 1);
  });
}

TEST(Contexts, AreAStack) {
  in_a_new_thread([] {
    CUcontext made = nullptr;
    ASSERT_EQ(cuCtxPushCurrent(primary(1)), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxCreate_v4(&made, nullptr, 0, 0), CUDA_SUCCESS);
    EXPECT_EQ(current(), made);
    EXPECT_NE(made, primary(0));
    CUcontext popped = nullptr;
    EXPECT_EQ(cuCtxPopCurrent(&popped), CUDA_SUCCESS);
    EXPECT_EQ(popped, made);
    EXPECT_EQ(current(), primary(1));
    EXPECT_EQ(cuCtxPopCurrent(&popped), CUDA_SUCCESS);
    EXPECT_EQ(current(), nullptr);
    EXPECT_EQ(cuCtxPopCurrent(&popped), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_EQ(cuCtxDestroy(made), CUDA_SUCCESS);
    EXPECT_EQ(cuCtxSetCurrent(made), CUDA_ERROR_INVALID_CONTEXT);
  });
}

TEST(Contexts, LaunchTheKernelsOfTheirOwnModules) {
  in_a_new_thread([] {
    ASSERT_EQ(cuCtxSetCurrent(primary(0)), CUDA_SUCCESS);
    CUmodule module = nullptr;
    ASSERT_EQ(cuModuleLoadData(&module, kPtx), CUDA_SUCCESS);
    CUfunction function = nullptr;
    ASSERT_EQ(cuModuleGetFunction(&function, module, "twice"), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(primary(1)), CUDA_SUCCESS);
    CUdeviceptr memory = 0;
    ASSERT_EQ(cuMemAlloc(&memory, 4 * kThreads), CUDA_SUCCESS);
    void* parameters[] = {&memory};
    const std::string text = errors_of([&] {
      EXPECT_EQ(cuLaunchKernel(function, 1, 1, 1, kThreads, 1, 1, 0, nullptr, parameters, nullptr),
                CUDA_ERROR_INVALID_CONTEXT);
    });
    EXPECT_NE(
        text.find("twice is of a module that was loaded on device 0, the current device is 1"),
        std::string::npos)
        << text;
    EXPECT_EQ(cuMemFree(memory), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  });
}

}  // namespace
}  // namespace slipstream::driver_test
