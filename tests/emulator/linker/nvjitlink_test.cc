// libnvJitLink.so.13, by the names that NVIDIA's header of CUDA 13.0 makes programs ask for.
#include <cuda.h>

#include <array>
#include <string>
#include <vector>

#include "driver_test.h"
#include "emulator/linker/nvjitlink_types.h"
#include "parts.h"

// NOLINTBEGIN(bugprone-reserved-identifier): names that NVIDIA chose
extern "C" {
nvJitLinkResult __nvJitLinkCreate_13_0(nvJitLinkHandle*, uint32_t, const char**);
nvJitLinkResult __nvJitLinkDestroy_13_0(nvJitLinkHandle*);
nvJitLinkResult __nvJitLinkAddData_13_0(nvJitLinkHandle, nvJitLinkInputType, const void*, size_t,
                                        const char*);
nvJitLinkResult __nvJitLinkComplete_13_0(nvJitLinkHandle);
nvJitLinkResult __nvJitLinkGetLinkedCubinSize_13_0(nvJitLinkHandle, size_t*);
nvJitLinkResult __nvJitLinkGetLinkedCubin_13_0(nvJitLinkHandle, void*);
nvJitLinkResult __nvJitLinkGetErrorLogSize_13_0(nvJitLinkHandle, size_t*);
nvJitLinkResult __nvJitLinkGetErrorLog_13_0(nvJitLinkHandle, char*);
nvJitLinkResult nvJitLinkVersion(unsigned*, unsigned*);
}

namespace slipstream::driver_test {
namespace {

class NvJitLink : public Driver {
 protected:
  void SetUp() override {
    Driver::SetUp();
    std::array<const char*, 2> options = {"-arch=sm_90", "-O3"};
    ASSERT_EQ(__nvJitLinkCreate_13_0(&handle_, 2, options.data()), NVJITLINK_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(__nvJitLinkDestroy_13_0(&handle_), NVJITLINK_SUCCESS);
    EXPECT_EQ(handle_, nullptr);
    Driver::TearDown();
  }

  nvJitLinkResult add(const std::string& ptx, const char* name) {
    const std::string text = kHeader + ptx;
    return __nvJitLinkAddData_13_0(handle_, NVJITLINK_INPUT_PTX, text.data(), text.size(), name);
  }

  std::string log() {
    size_t size = 0;
    EXPECT_EQ(__nvJitLinkGetErrorLogSize_13_0(handle_, &size), NVJITLINK_SUCCESS);
    std::string text(size, 'x');
    EXPECT_EQ(__nvJitLinkGetErrorLog_13_0(handle_, text.data()), NVJITLINK_SUCCESS);
    return text.c_str();
  }

  nvJitLinkHandle handle_ = nullptr;
};

TEST_F(NvJitLink, LinksPtxToWhatTheDriverLoads) {
  ASSERT_EQ(add(kKernel, "kernel.ptx"), NVJITLINK_SUCCESS);
  ASSERT_EQ(add(std::string(kFunction) + kVariable, nullptr), NVJITLINK_SUCCESS);
  ASSERT_EQ(__nvJitLinkComplete_13_0(handle_), NVJITLINK_SUCCESS);
  size_t size = 0;
  ASSERT_EQ(__nvJitLinkGetLinkedCubinSize_13_0(handle_, &size), NVJITLINK_SUCCESS);
  std::vector<char> image(size, 'x');
  ASSERT_EQ(__nvJitLinkGetLinkedCubin_13_0(handle_, image.data()), NVJITLINK_SUCCESS);
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, image.data()), CUDA_SUCCESS);
  CUfunction compute = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&compute, module, "compute"), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  EXPECT_EQ(log(), "");
}

TEST_F(NvJitLink, KeepsItsErrorsInTheLog) {
  ASSERT_EQ(add(kKernel, "kernel.ptx"), NVJITLINK_SUCCESS);
  const std::string text =
      errors_of([&] { EXPECT_EQ(__nvJitLinkComplete_13_0(handle_), NVJITLINK_ERROR_PTX_COMPILE); });
  EXPECT_NE(text.find("nvJitLinkComplete: undefined reference to 'scaled'"), std::string::npos);
  EXPECT_TRUE(log().starts_with("error: undefined reference to 'scaled' in 'kernel.ptx'")) << log();
  size_t size = 0;
  errors_of([&] {
    EXPECT_EQ(__nvJitLinkGetLinkedCubinSize_13_0(handle_, &size), NVJITLINK_ERROR_INVALID_INPUT);
  });
}

TEST_F(NvJitLink, HasTheVersionOfTheHeaders) {
  unsigned major = 0;
  unsigned minor = 0;
  ASSERT_EQ(nvJitLinkVersion(&major, &minor), NVJITLINK_SUCCESS);
  EXPECT_EQ(1000 * major + 10 * minor, static_cast<unsigned>(CUDA_VERSION));
}

TEST(NvJitLinkOptions, MustNameAnArchitecture) {
  nvJitLinkHandle handle = nullptr;
  std::array<const char*, 2> options = {"-lineinfo", "arch=sm_90"};
  EXPECT_EQ(__nvJitLinkCreate_13_0(&handle, 1, options.data()), NVJITLINK_ERROR_MISSING_ARCH);
  EXPECT_EQ(__nvJitLinkCreate_13_0(&handle, 2, options.data()),
            NVJITLINK_ERROR_UNRECOGNIZED_OPTION);
  EXPECT_EQ(__nvJitLinkCreate_13_0(&handle, 2, nullptr), NVJITLINK_ERROR_INVALID_INPUT);
}

}  // namespace
}  // namespace slipstream::driver_test
// NOLINTEND(bugprone-reserved-identifier)
