// Launches by the driver, alone and among the runtime's work.
#include <cuda.h>
#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

using Launches = LoadedModule;

TEST_F(Launches, RunTheKernel) {
  ASSERT_EQ(add(3), CUDA_SUCCESS);
  EXPECT_EQ(values(), all(8));
}

TEST_F(Launches, TakeParametersAsOneBlock) {
  std::array<std::byte, 12> block{};
  const uint32_t amount = 4;
  std::memcpy(block.data(), &values_, sizeof(values_));
  std::memcpy(block.data() + 8, &amount, sizeof(amount));
  size_t size = block.size();
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, block.data(), CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                   CU_LAUNCH_PARAM_END};
  ASSERT_EQ(cuLaunchKernel(add_, 1, 1, 1, kThreads, 1, 1, 0, nullptr, nullptr, extra),
            CUDA_SUCCESS);
  EXPECT_EQ(values(), all(9));
  size = 8;
  EXPECT_EQ(cuLaunchKernel(add_, 1, 1, 1, kThreads, 1, 1, 0, nullptr, nullptr, extra),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Launches, MayDependProgrammatically) {
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(add(1, stream), CUDA_SUCCESS);
  CUlaunchAttribute attribute{};
  attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  attribute.value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig configuration{1, 1, 1, kThreads, 1, 1, 0, stream, &attribute, 1};
  void* parameters[] = {&values_};
  ASSERT_EQ(cuLaunchKernelEx(&configuration, twice_, parameters, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(values(), all(12));
  EXPECT_EQ(cuStreamDestroy(stream), CUDA_SUCCESS);
}

TEST_F(Launches, OfTooManyThreadsAreRefused) {
  void* parameters[] = {&values_};
  const std::string text = errors_of([&] {
    EXPECT_EQ(cuLaunchKernel(twice_, 1, 1, 1, 2048, 1, 1, 0, nullptr, parameters, nullptr),
              CUDA_ERROR_INVALID_VALUE);
  });
  EXPECT_NE(text.find("cuLaunchKernel: "), std::string::npos) << text;
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);  // the runtime's, which the driver leaves alone
}

TEST_F(Launches, UseTheRuntimesStreamsMemoryAndEvents) {
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  uint32_t* memory = nullptr;
  ASSERT_EQ(cudaMallocAsync(&memory, sizeof(uint32_t) * kThreads, stream), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(memory, 0, sizeof(uint32_t) * kThreads, stream), cudaSuccess);
  uint32_t amount = 11;
  void* parameters[] = {&memory, &amount};
  ASSERT_EQ(cuLaunchKernel(add_, 1, 1, 1, kThreads, 1, 1, 0, stream, parameters, nullptr),
            CUDA_SUCCESS);
  ASSERT_EQ(cuEventRecord(event, stream), CUDA_SUCCESS);
  ASSERT_EQ(cudaEventSynchronize(event), cudaSuccess);
  std::vector<uint32_t> result(kThreads);
  ASSERT_EQ(cudaMemcpy(result.data(), memory, sizeof(uint32_t) * kThreads, cudaMemcpyDefault),
            cudaSuccess);
  EXPECT_EQ(result, all(11));
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST_F(Launches, AreCapturedIntoGraphs) {
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  ASSERT_EQ(add(1, stream), CUDA_SUCCESS);
  CUgraph graph = nullptr;
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  EXPECT_EQ(values(), all(5));
  CUgraphExec exec = nullptr;
  ASSERT_EQ(cuGraphInstantiate(&exec, graph, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  ASSERT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(values(), all(7));
  EXPECT_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy(stream), CUDA_SUCCESS);
}

TEST_F(Launches, CanBeAskedForTheirOccupancy) {
  int blocks = 0;
  EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add_, 1024, 0), CUDA_SUCCESS);
  EXPECT_EQ(blocks, 2);
  int grid = 0;
  int block = 0;
  EXPECT_EQ(cuOccupancyMaxPotentialBlockSize(&grid, &block, add_, nullptr, 0, 0), CUDA_SUCCESS);
  EXPECT_EQ(block, 1024);
  EXPECT_EQ(grid % 2, 0);
}

TEST_F(Launches, HaveAttributesOfTheirKernel) {
  int value = 0;
  EXPECT_EQ(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, add_),
            CUDA_SUCCESS);
  EXPECT_EQ(value, 1024);
  EXPECT_EQ(cuFuncSetAttribute(add_, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100000),
            CUDA_SUCCESS);
  EXPECT_EQ(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, add_),
            CUDA_SUCCESS);
  EXPECT_EQ(value, 100000);
  EXPECT_EQ(cuFuncSetAttribute(add_, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1 << 20),
            CUDA_ERROR_INVALID_VALUE);
}

// The functions that a program built with --default-stream per-thread calls.
template <class Function>
Function* per_thread(const char* name) {
  void* function = nullptr;
  EXPECT_EQ(cuGetProcAddress(name, &function, CUDA_VERSION,
                             CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, nullptr),
            CUDA_SUCCESS);
  return reinterpret_cast<Function*>(function);
}

TEST_F(LoadedModule, HasANullStreamOfEachThreadForProgramsThatAskForIt) {
  // The legacy stream cannot be captured, a thread's own can.
  EXPECT_NE(cuStreamBeginCapture(nullptr, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  auto* const begin = per_thread<decltype(cuStreamBeginCapture)>("cuStreamBeginCapture");
  auto* const launch = per_thread<decltype(cuLaunchKernel)>("cuLaunchKernel");
  auto* const end = per_thread<decltype(cuStreamEndCapture)>("cuStreamEndCapture");
  uint32_t amount = 2;
  void* parameters[] = {&values_, &amount};
  CUgraph graph = nullptr;
  ASSERT_EQ(begin(nullptr, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  EXPECT_EQ(launch(add_, 1, 1, 1, kThreads, 1, 1, 0, nullptr, parameters, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(end(nullptr, &graph), CUDA_SUCCESS);
  EXPECT_EQ(values(), all(5));
  CUgraphExec instance = nullptr;
  ASSERT_EQ(cuGraphInstantiate(&instance, graph, 0), CUDA_SUCCESS);
  EXPECT_EQ(per_thread<decltype(cuGraphLaunch)>("cuGraphLaunch")(instance, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(per_thread<decltype(cuStreamSynchronize)>("cuStreamSynchronize")(nullptr),
            CUDA_SUCCESS);
  EXPECT_EQ(values(), all(7));
  EXPECT_EQ(cuGraphExecDestroy(instance), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
}

}  // namespace
}  // namespace slipstream::driver_test
