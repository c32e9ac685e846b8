// Modules and libraries: what is loaded, and what is refused with which words.
#include <cuda.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

std::vector<char> read_image(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

using Modules = Driver;

TEST_F(Modules, HoldTheVariablesOfTheirPtx) {
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, kPtx), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  size_t bytes = 0;
  ASSERT_EQ(cuModuleGetGlobal(&address, &bytes, module, "counter"), CUDA_SUCCESS);
  EXPECT_EQ(bytes, 4U);
  uint32_t value = 0;
  EXPECT_EQ(cuMemcpyDtoH(&value, address, 4), CUDA_SUCCESS);
  EXPECT_EQ(value, 7U);
  EXPECT_EQ(cuModuleGetGlobal(&address, &bytes, module, "nothing"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
}

TEST_F(Modules, AreLoadedFromFatBinaries) {
  const std::vector<char> image = read_image(KERNEL_LIBRARY ".fatbin");
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, image.data()), CUDA_SUCCESS);
  unsigned count = 0;
  EXPECT_EQ(cuModuleGetFunctionCount(&count, module), CUDA_SUCCESS);
  EXPECT_GT(count, 0U);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleLoad(&module, KERNEL_LIBRARY ".fatbin"), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
}

TEST_F(Modules, OfMachineCodeAloneAreRefusedByName) {
  const std::vector<char> image = read_image(KERNEL_LIBRARY ".cubin");
  ASSERT_FALSE(image.empty());
  CUmodule module = nullptr;
  const std::string text = errors_of(
      [&] { EXPECT_EQ(cuModuleLoadData(&module, image.data()), CUDA_ERROR_NO_BINARY_FOR_GPU); });
  EXPECT_NE(text.find("cuModuleLoadData: the library must embed PTX"), std::string::npos) << text;
  EXPECT_NE(text.find("it embeds sm_90"), std::string::npos) << text;
}

TEST_F(Modules, OfWrongPtxAreRefusedWithTheirLine) {
  std::array<char, 256> log{};
  std::array options = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  std::array<void*, 2> values = {log.data(), reinterpret_cast<void*>(log.size())};
  CUmodule module = nullptr;
  const std::string text = errors_of([&] {
    EXPECT_EQ(cuModuleLoadDataEx(&module,
                                 ".version 8.0\n.target sm_90\n.address_size 64\n.entry wrong( {",
                                 2, options.data(), values.data()),
              CUDA_ERROR_INVALID_PTX);
  });
  EXPECT_NE(text.find("cuModuleLoadDataEx: "), std::string::npos) << text;
  EXPECT_NE(text.find(":4:"), std::string::npos) << text;
  EXPECT_NE(std::string(log.data()).find(":4:"), std::string::npos) << log.data();
  EXPECT_EQ(reinterpret_cast<size_t>(values[1]), std::string(log.data()).size());
}

TEST_F(Modules, OfPtxForNewerDevicesAreRefused) {
  CUmodule module = nullptr;
  const auto load = [&](const std::string& target) {
    const std::string ptx = ".version 8.7\n.target " + target + "\n.address_size 64\n";
    return cuModuleLoadData(&module, ptx.c_str());
  };
  for (const char* const fitting : {"sm_52", "sm_90", "sm_90a", "sm_90, debug"}) {
    ASSERT_EQ(load(fitting), CUDA_SUCCESS) << fitting;
    EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  }
  for (const char* const other : {"sm_100", "sm_100a", "sm_80a", "sm_103f"}) {
    const std::string text =
        errors_of([&] { EXPECT_EQ(load(other), CUDA_ERROR_NO_BINARY_FOR_GPU) << other; });
    EXPECT_NE(text.find(std::string("is for ") + other), std::string::npos) << text;
  }
}

TEST_F(Modules, NameAFunctionThatTheyLack) {
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, kPtx), CUDA_SUCCESS);
  CUfunction function = nullptr;
  const std::string text = errors_of(
      [&] { EXPECT_EQ(cuModuleGetFunction(&function, module, "subtract"), CUDA_ERROR_NOT_FOUND); });
  EXPECT_NE(text.find("cuModuleGetFunction: the library has no kernel subtract"), std::string::npos)
      << text;
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleGetFunction(&function, module, "add"), CUDA_ERROR_INVALID_HANDLE);
}

TEST(Libraries, NeedNoContext) {
  ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  CUlibrary library = nullptr;
  ASSERT_EQ(cuLibraryLoadData(&library, kPtx, nullptr, nullptr, 0, nullptr, nullptr, 0),
            CUDA_SUCCESS);
  CUkernel kernel = nullptr;
  EXPECT_EQ(cuLibraryGetKernel(&kernel, library, "add"), CUDA_SUCCESS);
  const char* name = nullptr;
  EXPECT_EQ(cuKernelGetName(&name, kernel), CUDA_SUCCESS);
  EXPECT_STREQ(name, "add");
  CUcontext context = nullptr;
  EXPECT_EQ(cuCtxGetCurrent(&context), CUDA_SUCCESS);
  EXPECT_EQ(context, nullptr);
  EXPECT_EQ(cuLibraryUnload(library), CUDA_SUCCESS);
}

}  // namespace
}  // namespace slipstream::driver_test
