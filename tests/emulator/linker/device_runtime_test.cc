// What stands in the place of NVIDIA's libcudadevrt.a.
#include <cuda.h>

#include <string>
#include <vector>

#include "driver_test.h"
#include "parts.h"

namespace slipstream::driver_test {
namespace {

// meet(out): every CTA adds 1 to out[0], and after the barrier of the grid stores what it finds there to out[1 + CTA].
constexpr const char* kMeetingKernel = R"(
.extern .func (.param .b64 handle) cudaCGGetIntrinsicHandle(.param .b32 scope);
.extern .func (.param .b32 status) cudaCGSynchronize(.param .b64 handle, .param .b32 flags);
.visible .entry meet(.param .u64 out)
{
  .reg .pred %p<2>;
  .reg .u32 %r<4>;
  .reg .u64 %rd<5>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra together;
  red.global.add.u32 [%rd1], 1;
together:
  {
    .param .b32 scope;
    .param .b64 handle;
    st.param.b32 [scope], 1;
    call.uni (handle), cudaCGGetIntrinsicHandle, (scope);
    ld.param.b64 %rd2, [handle];
  }
  {
    .param .b64 handle;
    .param .b32 flags;
    .param .b32 status;
    st.param.b64 [handle], %rd2;
    st.param.b32 [flags], 0;
    call.uni (status), cudaCGSynchronize, (handle, flags);
    ld.param.b32 %r2, [status];
  }
  @%p1 bra done;
  ld.global.u32 %r3, [%rd1];
  add.u32 %r3, %r3, %r2;
  mov.u32 %r1, %ctaid.x;
  mul.wide.u32 %rd3, %r1, 4;
  add.u64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4+4], %r3;
done:
  ret;
}
)";

constexpr unsigned kCtas = 5;

using DeviceRuntime = Driver;

TEST_F(DeviceRuntime, HasTheBarrierOfACooperativeGrid) {
  CUlinkState state = nullptr;
  ASSERT_EQ(cuLinkCreate(0, nullptr, nullptr, &state), CUDA_SUCCESS);
  std::string kernel = std::string(kHeader) + kMeetingKernel;
  std::string archive = "!<arch>\ncuda_device_runtime.o/";
  ASSERT_EQ(cuLinkAddData(state, CU_JIT_INPUT_PTX, kernel.data(), kernel.size(), "kernel", 0,
                          nullptr, nullptr),
            CUDA_SUCCESS);
  ASSERT_EQ(cuLinkAddData(state, CU_JIT_INPUT_LIBRARY, archive.data(), archive.size(),
                          "libcudadevrt.a", 0, nullptr, nullptr),
            CUDA_SUCCESS);
  void* image = nullptr;
  ASSERT_EQ(cuLinkComplete(state, &image, nullptr), CUDA_SUCCESS);
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, image), CUDA_SUCCESS);
  ASSERT_EQ(cuLinkDestroy(state), CUDA_SUCCESS);
  CUfunction meet = nullptr;
  ASSERT_EQ(cuModuleGetFunction(&meet, module, "meet"), CUDA_SUCCESS);
  CUdeviceptr out = 0;
  ASSERT_EQ(cuMemAlloc(&out, 4 * (1 + kCtas)), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32(out, 0, 1 + kCtas), CUDA_SUCCESS);
  void* parameters[] = {&out};
  ASSERT_EQ(cuLaunchCooperativeKernel(meet, kCtas, 1, 1, 64, 1, 1, 0, nullptr, parameters),
            CUDA_SUCCESS);
  std::vector<uint32_t> found(1 + kCtas);
  EXPECT_EQ(cuMemcpyDtoH(found.data(), out, 4 * (1 + kCtas)), CUDA_SUCCESS);
  EXPECT_EQ(found, std::vector<uint32_t>(1 + kCtas, kCtas));
  EXPECT_EQ(cuMemFree(out), CUDA_SUCCESS);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
}

}  // namespace
}  // namespace slipstream::driver_test
