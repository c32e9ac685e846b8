// Functions by name and version, functions that are not there, and the names of errors.
#include <cuda.h>

#include "driver_test.h"

namespace slipstream::driver_test {
namespace {

void* find(const char* name, int version,
           CUdriverProcAddressQueryResult expected = CU_GET_PROC_ADDRESS_SUCCESS) {
  void* function = nullptr;
  CUdriverProcAddressQueryResult status{};
  EXPECT_EQ(cuGetProcAddress(name, &function, version, CU_GET_PROC_ADDRESS_DEFAULT, &status),
            expected == CU_GET_PROC_ADDRESS_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(status, expected) << name;
  return function;
}

TEST(EntryPoints, AreThoseOfTheProgramsVersion) {
  EXPECT_EQ(find("cuCtxCreate", CUDA_VERSION), reinterpret_cast<void*>(&cuCtxCreate));
  EXPECT_NE(find("cuCtxCreate", 11030), find("cuCtxCreate", 11040));
  EXPECT_EQ(find("cuMemAlloc", 12000), reinterpret_cast<void*>(&cuMemAlloc));
}

TEST(EntryPoints, SayThatAVersionIsTooOldOrANameUnknown) {
  EXPECT_EQ(find("cuLaunchKernelEx", 11050, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT), nullptr);
  EXPECT_EQ(find("cuDance", 13000, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND), nullptr);
}

TEST(EntryPoints, OfWhatIsNotImplementedSaySoByName) {
  const std::string text =
      errors_of([] { EXPECT_EQ(cuGreenCtxDestroy(nullptr), CUDA_ERROR_NOT_SUPPORTED); });
  EXPECT_EQ(text,
            "slipstream emulator: cuGreenCtxDestroy is not supported by the emulated driver\n");
}

TEST(ErrorNames, AreTheDrivers) {
  const char* name = nullptr;
  EXPECT_EQ(cuGetErrorName(CUDA_ERROR_INVALID_VALUE, &name), CUDA_SUCCESS);
  EXPECT_STREQ(name, "CUDA_ERROR_INVALID_VALUE");
  EXPECT_EQ(cuGetErrorString(CUDA_ERROR_INVALID_VALUE, &name), CUDA_SUCCESS);
  EXPECT_STREQ(name, "invalid argument");
  EXPECT_EQ(cuGetErrorName(static_cast<CUresult>(-1), &name), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(name, nullptr);
}

}  // namespace
}  // namespace slipstream::driver_test
