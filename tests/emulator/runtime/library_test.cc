// The library itself: every name is there, and what is not implemented says so. For the emulated
// device only.
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace {

class Library : public testing::Test {
 protected:
  void SetUp() override {
    library_ = dlopen(EMULATOR_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << dlerror();
  }

  template <class Function>
  Function* find(const char* name) {
    return reinterpret_cast<Function*>(dlsym(library_, name));
  }

  cudaError_t load_kernels(cudaLibrary_t* kernels, const char* path) {
    return find<decltype(cudaLibraryLoadFromFile)>("cudaLibraryLoadFromFile")(
        kernels, path, nullptr, nullptr, 0, nullptr, nullptr, 0);
  }

  void* library_ = nullptr;
};

TEST_F(Library, ExportsEveryNameOfTheRealOneWithItsVersion) {
  std::ifstream names(EXPORTS_FILE);
  std::string name;
  int count = 0;
  while (std::getline(names, name)) {
    if (name.starts_with("#")) continue;
    EXPECT_NE(dlvsym(library_, name.c_str(), "libcudart.so.13"), nullptr) << name;
    ++count;
  }
  EXPECT_GT(count, 400);
}

TEST_F(Library, AnswersWhatItDoesNotImplementAndNamesIt) {
  auto* unsupported = find<cudaError_t()>("cudaMallocMipmappedArray");
  auto* last_error = find<cudaError_t()>("cudaGetLastError");
  ASSERT_NE(unsupported, nullptr);
  testing::internal::CaptureStderr();
  EXPECT_EQ(unsupported(), cudaErrorNotSupported);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("cudaMallocMipmappedArray"), std::string::npos) << text;
  EXPECT_EQ(last_error(), cudaErrorNotSupported);
  EXPECT_EQ(last_error(), cudaSuccess);
}

TEST_F(Library, SaysThatItIsTheEmulatedDevice) {
  auto* get = find<cudaError_t(cudaDeviceProp*, int)>("cudaGetDeviceProperties");
  cudaDeviceProp properties{};
  ASSERT_EQ(get(&properties, 0), cudaSuccess);
  EXPECT_STREQ(properties.name, "Slipstream emulated device");
}

// A program that touches all of it is told that there is no more, and not killed by the system.
TEST_F(Library, HasNoMoreMemoryThanTheHost) {
  size_t free = 0;
  size_t total = 0;
  ASSERT_EQ((find<cudaError_t(size_t*, size_t*)>("cudaMemGetInfo")(&free, &total)), cudaSuccess);
  EXPECT_LE(total, static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) *
                       static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 2);
  void* memory = nullptr;
  EXPECT_EQ((find<cudaError_t(void**, size_t)>("cudaMalloc")(&memory, total + 1)),
            cudaErrorMemoryAllocation);
}

TEST_F(Library, LoadsKernelsFromAFatBinaryWithPtx) {
  cudaLibrary_t kernels = nullptr;
  ASSERT_EQ(load_kernels(&kernels, KERNEL_LIBRARY ".fatbin"), cudaSuccess);
  unsigned count = 0;
  EXPECT_EQ(
      find<cudaError_t(unsigned*, cudaLibrary_t)>("cudaLibraryGetKernelCount")(&count, kernels),
      cudaSuccess);
  EXPECT_GT(count, 0U);
  EXPECT_EQ(find<cudaError_t(cudaLibrary_t)>("cudaLibraryUnload")(kernels), cudaSuccess);
}

TEST_F(Library, NamesACubinThatItCannotRun) {
  cudaLibrary_t kernels = nullptr;
  testing::internal::CaptureStderr();
  EXPECT_EQ(load_kernels(&kernels, KERNEL_LIBRARY ".cubin"), cudaErrorNoKernelImageForDevice);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("it embeds sm_90"), std::string::npos) << text;
}

TEST_F(Library, RefusesAMultiprocessorCountOfZero) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a fresh process: settings are read once
  EXPECT_EXIT(
      {
        setenv("SLIPSTREAM_EMULATOR_SMS", "0", 1);
        cudaDeviceProp properties{};
        find<cudaError_t(cudaDeviceProp*, int)>("cudaGetDeviceProperties")(&properties, 0);
      },
      testing::ExitedWithCode(2), "SLIPSTREAM_EMULATOR_SMS must be a number from 1 to 4096");
}

TEST_F(Library, RefusesAPlaceThatReportsCannotGoTo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("SLIPSTREAM_EMULATOR_REPORT", "/no/such/folder/reports", 1);
        cudaDeviceProp properties{};
        find<cudaError_t(cudaDeviceProp*, int)>("cudaGetDeviceProperties")(&properties, 0);
      },
      testing::ExitedWithCode(2),
      "SLIPSTREAM_EMULATOR_REPORT: /no/such/folder/reports: cannot be written");
}

}  // namespace
