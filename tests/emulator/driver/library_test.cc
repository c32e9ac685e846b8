// libcuda.so.1 as programs load it: there is one emulated device in a process, whatever was loaded before.
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>

namespace slipstream::driver_test {
namespace {

void* load(const char* path, int scope) {
  void* const library = dlopen(path, RTLD_NOW | scope);
  EXPECT_NE(library, nullptr) << dlerror();
  return library;
}

template <class Function>
Function* find(void* library, const char* name) {
  auto* const function = reinterpret_cast<Function*>(dlsym(library, name));
  EXPECT_NE(function, nullptr) << name;
  return function;
}

// Other packages load NVIDIA's runtime, under the name that the emulator's has.
TEST(DriverLibrary, IsTheEmulatedDevicesThoughTheRealRuntimeIsLoaded) {
  load(REAL_RUNTIME, RTLD_GLOBAL);
  void* const driver = load(EMULATED_DRIVER, RTLD_LOCAL);
  EXPECT_EQ(find<CUresult(unsigned)>(driver, "cuInit")(0), CUDA_SUCCESS);
  std::array<char, 64> name{};
  auto* const get_name = find<CUresult(char*, int, CUdevice)>(driver, "cuDeviceGetName");
  EXPECT_EQ(get_name(name.data(), static_cast<int>(name.size()), 0), CUDA_SUCCESS);
  EXPECT_STREQ(name.data(), "Slipstream emulated device");
}

TEST(DriverLibrary, SharesItsDeviceWithTheRuntimes) {
  void* const driver = load(EMULATED_DRIVER, RTLD_LOCAL);
  void* const runtime = load(EMULATED_RUNTIME, RTLD_LOCAL);
  void* memory = nullptr;
  ASSERT_EQ((find<cudaError_t(void**, size_t)>(runtime, "cudaMalloc")(&memory, 64)), cudaSuccess);
  CUdeviceptr base = 0;
  auto* const range =
      find<CUresult(CUdeviceptr*, size_t*, CUdeviceptr)>(driver, "cuMemGetAddressRange_v2");
  EXPECT_EQ(range(&base, nullptr, reinterpret_cast<CUdeviceptr>(memory) + 1), CUDA_SUCCESS);
  EXPECT_EQ(base, reinterpret_cast<CUdeviceptr>(memory));
  EXPECT_EQ((find<cudaError_t(void*)>(runtime, "cudaFree")(memory)), cudaSuccess);
}

}  // namespace
}  // namespace slipstream::driver_test
