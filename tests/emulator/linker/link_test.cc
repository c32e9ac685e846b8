// Device linking: what kernels of one input use of another, and what cannot be linked.
#include <cuda.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "driver_test.h"
#include "parts.h"

namespace slipstream::driver_test {
namespace {

class Linking : public Driver {
 protected:
  void SetUp() override {
    Driver::SetUp();
    std::array options = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    values_ = {log_.data(), reinterpret_cast<void*>(log_.size())};
    ASSERT_EQ(cuLinkCreate(2, options.data(), values_.data(), &state_), CUDA_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(cuLinkDestroy(state_), CUDA_SUCCESS);
    Driver::TearDown();
  }

  CUresult add(std::string ptx, const char* name) {
    ptx.insert(0, kHeader);
    return cuLinkAddData(state_, CU_JIT_INPUT_PTX, ptx.data(), ptx.size() + 1, name, 0, nullptr,
                         nullptr);
  }

  CUresult add_bytes(std::string bytes, CUjitInputType type, const char* name) {
    return cuLinkAddData(state_, type, bytes.data(), bytes.size(), name, 0, nullptr, nullptr);
  }

  CUresult complete() { return cuLinkComplete(state_, &image_, &size_); }

  // What compute() stores.
  static uint32_t run(const void* image) {
    CUmodule module = nullptr;
    EXPECT_EQ(cuModuleLoadData(&module, image), CUDA_SUCCESS);
    CUfunction compute = nullptr;
    EXPECT_EQ(cuModuleGetFunction(&compute, module, "compute"), CUDA_SUCCESS);
    CUdeviceptr out = 0;
    EXPECT_EQ(cuMemAlloc(&out, 4), CUDA_SUCCESS);
    void* parameters[] = {&out};
    EXPECT_EQ(cuLaunchKernel(compute, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr),
              CUDA_SUCCESS);
    uint32_t value = 0;
    EXPECT_EQ(cuMemcpyDtoH(&value, out, 4), CUDA_SUCCESS);
    EXPECT_EQ(cuMemFree(out), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
    return value;
  }

  std::string_view log() const { return log_.data(); }

  CUlinkState state_ = nullptr;
  void* image_ = nullptr;
  size_t size_ = 0;

 private:
  std::array<char, 512> log_{};
  std::array<void*, 2> values_{};
};

TEST_F(Linking, FindsFunctionsAndVariablesOfOtherInputs) {
  ASSERT_EQ(add(kKernel, "kernel.ptx"), CUDA_SUCCESS);
  ASSERT_EQ(add(kFunction, "function.ptx"), CUDA_SUCCESS);
  ASSERT_EQ(add(kVariable, "variable.ptx"), CUDA_SUCCESS);
  ASSERT_EQ(complete(), CUDA_SUCCESS);
  const std::string text(static_cast<const char*>(image_), size_ - 1);
  EXPECT_EQ(run(text.c_str()), 115U);
}

TEST_F(Linking, TakesWhatWasLinkedBefore) {
  ASSERT_EQ(add(std::string(kFunction) + kVariable, "both.ptx"), CUDA_SUCCESS);
  ASSERT_EQ(add(".visible .global .u32 other;", "other.ptx"), CUDA_SUCCESS);
  ASSERT_EQ(complete(), CUDA_SUCCESS);
  CUlinkState second = nullptr;
  ASSERT_EQ(cuLinkCreate(0, nullptr, nullptr, &second), CUDA_SUCCESS);
  std::swap(state_, second);
  ASSERT_EQ(add_bytes({static_cast<const char*>(image_), size_}, CU_JIT_INPUT_CUBIN, "linked"),
            CUDA_SUCCESS);
  ASSERT_EQ(add(kKernel, "kernel.ptx"), CUDA_SUCCESS);
  ASSERT_EQ(complete(), CUDA_SUCCESS);
  EXPECT_EQ(run(image_), 115U);
  EXPECT_EQ(cuLinkDestroy(second), CUDA_SUCCESS);
}

TEST_F(Linking, NamesWhatNoInputDefines) {
  ASSERT_EQ(add(kKernel, "kernel.ptx"), CUDA_SUCCESS);
  const std::string text = errors_of([&] { EXPECT_EQ(complete(), CUDA_ERROR_INVALID_PTX); });
  EXPECT_NE(text.find("cuLinkComplete: undefined reference to 'scaled' in 'kernel.ptx'"),
            std::string::npos)
      << text;
  EXPECT_EQ(log(),
            "undefined reference to 'scaled' in 'kernel.ptx'\n"
            "undefined reference to 'offset' in 'kernel.ptx'");
}

TEST_F(Linking, NamesWhatTwoInputsDefine) {
  ASSERT_EQ(add(kFunction, "first.ptx"), CUDA_SUCCESS);
  ASSERT_EQ(add(kFunction, "second.ptx"), CUDA_SUCCESS);
  const std::string text = errors_of([&] { EXPECT_EQ(complete(), CUDA_ERROR_INVALID_PTX); });
  EXPECT_EQ(log(), "multiple definition of 'scaled' in 'second.ptx', first defined in 'first.ptx'");
}

TEST_F(Linking, RefusesMachineCode) {
  const std::string text = errors_of([&] {
    EXPECT_EQ(
        cuLinkAddFile(state_, CU_JIT_INPUT_CUBIN, KERNEL_LIBRARY ".cubin", 0, nullptr, nullptr),
        CUDA_ERROR_NO_BINARY_FOR_GPU);
  });
  EXPECT_NE(log().find("library.cubin must embed PTX for compute_90a or below, it embeds sm_90"),
            std::string::npos)
      << log();
  EXPECT_NE(log().find("compile it with nvcc -rdc=true"), std::string::npos) << log();
}

TEST_F(Linking, TakesThePtxOfFatBinaries) {
  EXPECT_EQ(
      cuLinkAddFile(state_, CU_JIT_INPUT_FATBINARY, KERNEL_LIBRARY ".fatbin", 0, nullptr, nullptr),
      CUDA_SUCCESS);
  EXPECT_EQ(complete(), CUDA_SUCCESS);
}

TEST_F(Linking, RefusesArchivesAndFilesThatAreNotThere) {
  errors_of([&] {
    EXPECT_EQ(add_bytes("!<arch>\nparts.o/ ", CU_JIT_INPUT_LIBRARY, "parts.a"),
              CUDA_ERROR_NOT_SUPPORTED);
  });
  EXPECT_EQ(log(), "parts.a must not be an archive: give its objects one by one");
  errors_of([&] {
    EXPECT_EQ(cuLinkAddFile(state_, CU_JIT_INPUT_PTX, "/no/such.ptx", 0, nullptr, nullptr),
              CUDA_ERROR_FILE_NOT_FOUND);
  });
}

TEST_F(Linking, RefusesWrongPtxWithItsLine) {
  errors_of([&] { EXPECT_EQ(add(".entry wrong( {", "wrong.ptx"), CUDA_ERROR_INVALID_PTX); });
  EXPECT_NE(log().find("wrong.ptx:4:"), std::string::npos) << log();
}

TEST_F(Linking, OfNothingIsAnError) { EXPECT_EQ(complete(), CUDA_ERROR_INVALID_VALUE); }

}  // namespace
}  // namespace slipstream::driver_test
