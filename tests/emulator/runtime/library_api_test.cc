// Libraries of kernels that a program loads while it runs. Everything here holds on a GPU as well.
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

namespace slipstream::runtime_test {
namespace {

// add: *out += addend. count: *out = counter++, with `counter` 5 at first.
constexpr const char* kPtx = R"(.version 8.0
.target sm_90
.address_size 64
.visible .global .align 4 .u32 counter = 5;
.visible .entry add(.param .u64 out, .param .u32 addend) {
  .reg .b32 %r<4>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [out];
  ld.param.u32 %r1, [addend];
  ld.global.u32 %r2, [%rd1];
  add.u32 %r2, %r2, %r1;
  st.global.u32 [%rd1], %r2;
  ret;
}
.visible .entry count(.param .u64 out) {
  .reg .b32 %r<4>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [out];
  ld.global.u32 %r1, [counter];
  st.global.u32 [%rd1], %r1;
  add.u32 %r1, %r1, 1;
  st.global.u32 [counter], %r1;
  ret;
}
)";

class Libraries : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaLibraryLoadData(&library_, kPtx, nullptr, nullptr, 0, nullptr, nullptr, 0),
              cudaSuccess);
    ASSERT_EQ(cudaMalloc(&out_, sizeof(unsigned)), cudaSuccess);
    ASSERT_EQ(cudaMemset(out_, 0, sizeof(unsigned)), cudaSuccess);
  }
  void TearDown() override {
    EXPECT_EQ(cudaFree(out_), cudaSuccess);
    if (library_ != nullptr) {
      EXPECT_EQ(cudaLibraryUnload(library_), cudaSuccess);
    }
    (void)cudaGetLastError();
  }

  cudaKernel_t kernel(const char* name) {
    cudaKernel_t found = nullptr;
    EXPECT_EQ(cudaLibraryGetKernel(&found, library_, name), cudaSuccess) << name;
    return found;
  }
  unsigned read() {
    unsigned value = 0;
    EXPECT_EQ(cudaMemcpy(&value, out_, sizeof(value), cudaMemcpyDeviceToHost), cudaSuccess);
    return value;
  }

  cudaLibrary_t library_ = nullptr;
  unsigned* out_ = nullptr;
};

TEST_F(Libraries, LaunchTheirKernelsInBothWays) {
  unsigned addend = 7;
  std::array<void*, 2> arguments = {&out_, &addend};
  const void* const add = kernel("add");
  EXPECT_EQ(cudaLaunchKernel(add, dim3(1), dim3(1), arguments.data(), 0, nullptr), cudaSuccess);
  EXPECT_EQ(read(), 7U);
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = dim3(1);
  configuration.blockDim = dim3(1);
  EXPECT_EQ(cudaLaunchKernelExC(&configuration, add, arguments.data()), cudaSuccess);
  EXPECT_EQ(read(), 14U);
}

TEST_F(Libraries, ListTheirKernels) {
  unsigned count = 0;
  EXPECT_EQ(cudaLibraryGetKernelCount(&count, library_), cudaSuccess);
  ASSERT_EQ(count, 2U);
  std::array<cudaKernel_t, 2> kernels{};
  EXPECT_EQ(cudaLibraryEnumerateKernels(kernels.data(), 2, library_), cudaSuccess);
  std::array<std::string, 2> names;
  for (size_t i = 0; i < 2; ++i) {
    const char* name = nullptr;
    EXPECT_EQ(cudaFuncGetName(&name, kernels[i]), cudaSuccess);
    names[i] = name;
  }
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::array<std::string, 2>{"add", "count"}));
}

TEST_F(Libraries, DescribeAndTuneTheirKernels) {
  const void* const add = kernel("add");
  cudaFuncAttributes attributes{};
  EXPECT_EQ(cudaFuncGetAttributes(&attributes, add), cudaSuccess);
  EXPECT_EQ(attributes.maxThreadsPerBlock, 1024);
  constexpr int kBytes = 100 * 1024;
  EXPECT_EQ(cudaKernelSetAttributeForDevice(kernel("add"),
                                            cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes, 0),
            cudaSuccess);
  EXPECT_EQ(cudaFuncSetAttribute(add, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
            cudaSuccess);
  EXPECT_EQ(cudaFuncGetAttributes(&attributes, add), cudaSuccess);
  EXPECT_EQ(attributes.maxDynamicSharedSizeBytes, kBytes);
}

TEST_F(Libraries, HaveVariablesOfTheirOwn) {
  void* address = nullptr;
  size_t bytes = 0;
  EXPECT_EQ(cudaLibraryGetGlobal(&address, &bytes, library_, "counter"), cudaSuccess);
  EXPECT_EQ(bytes, sizeof(unsigned));
  std::array<void*, 1> arguments = {&out_};
  EXPECT_EQ(cudaLaunchKernel(kernel("count"), dim3(1), dim3(1), arguments.data(), 0, nullptr),
            cudaSuccess);
  EXPECT_EQ(read(), 5U);
  unsigned counter = 0;
  EXPECT_EQ(cudaMemcpy(&counter, address, sizeof(counter), cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(counter, 6U);
}

TEST_F(Libraries, SayWhatTheyDoNotHave) {
  cudaKernel_t found = nullptr;
  EXPECT_EQ(cudaLibraryGetKernel(&found, library_, "subtract"), cudaErrorSymbolNotFound);
  void* address = nullptr;
  EXPECT_EQ(cudaLibraryGetGlobal(&address, nullptr, library_, "nothing"), cudaErrorSymbolNotFound);
}

TEST_F(Libraries, AreLoadedFromFiles) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("slipstream_library_" + std::to_string(getpid()) + ".ptx");
  std::ofstream(path) << kPtx;
  cudaLibrary_t loaded = nullptr;
  EXPECT_EQ(
      cudaLibraryLoadFromFile(&loaded, path.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0),
      cudaSuccess);
  unsigned count = 0;
  EXPECT_EQ(cudaLibraryGetKernelCount(&count, loaded), cudaSuccess);
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(cudaLibraryUnload(loaded), cudaSuccess);
  std::filesystem::remove(path);
  EXPECT_EQ(
      cudaLibraryLoadFromFile(&loaded, path.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0),
      cudaErrorFileNotFound);
}

// A GPU's runtime may find out only when it is asked for a kernel.
TEST_F(Libraries, RefuseWhatIsNoDeviceCode) {
  cudaLibrary_t loaded = nullptr;
  cudaKernel_t kernel = nullptr;
  EXPECT_TRUE(cudaLibraryLoadData(&loaded, "this is no PTX", nullptr, nullptr, 0, nullptr, nullptr,
                                  0) != cudaSuccess ||
              cudaLibraryGetKernel(&kernel, loaded, "kernel") != cudaSuccess);
}

}  // namespace
}  // namespace slipstream::runtime_test
