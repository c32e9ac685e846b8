// In the place of NVIDIA's libcudadevrt.a, which holds no PTX for this device: what kernels of cooperative grids call
// where their compiler does not write it out, as numba's grid.sync().
#pragma once

namespace slipstream::emulator::linker {

// The barrier is that of CUDA's cooperative groups: the CTAs count in a word at %envreg1 and 2, and the first one adds what
// turns the topmost bit when all have come.
inline constexpr const char* kDeviceRuntime = R"(.version 8.0
.target sm_90
.address_size 64

.visible .func (.param .b64 handle) cudaCGGetIntrinsicHandle(.param .b32 scope)
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<2>;
  mov.u32 %r1, %envreg2;
  mov.u32 %r2, %envreg1;
  mov.b64 %rd1, {%r1, %r2};
  st.param.b64 [handle], %rd1;
  ret;
}

.visible .func (.param .b32 status) cudaCGSynchronize(.param .b64 handle, .param .b32 flags)
{
  .reg .pred %p<5>;
  .reg .b32 %r<16>;
  .reg .b64 %rd<2>;
  ld.param.b64 %rd1, [handle];
  setp.ne.s64 %p1, %rd1, 0;
  @%p1 bra meet;
  trap;
meet:
  barrier.sync 0;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %tid.y;
  mov.u32 %r3, %tid.z;
  or.b32 %r4, %r1, %r2;
  or.b32 %r4, %r4, %r3;
  setp.ne.s32 %p2, %r4, 0;
  @%p2 bra leave;
  mov.u32 %r5, %nctaid.x;
  mov.u32 %r6, %nctaid.y;
  mov.u32 %r7, %nctaid.z;
  mul.lo.s32 %r8, %r5, %r6;
  mul.lo.s32 %r8, %r8, %r7;
  mov.u32 %r9, %ctaid.x;
  mov.u32 %r10, %ctaid.y;
  mov.u32 %r11, %ctaid.z;
  or.b32 %r12, %r9, %r10;
  or.b32 %r12, %r12, %r11;
  setp.eq.s32 %p3, %r12, 0;
  sub.s32 %r13, 0x80000001, %r8;
  selp.b32 %r13, %r13, 1, %p3;
  atom.global.add.release.gpu.u32 %r14, [%rd1+4], %r13;
wait:
  ld.global.acquire.gpu.u32 %r15, [%rd1+4];
  xor.b32 %r15, %r15, %r14;
  setp.ge.s32 %p4, %r15, 0;
  @%p4 bra wait;
leave:
  barrier.sync 0;
  st.param.b32 [status], 0;
  ret;
}
)";

}  // namespace slipstream::emulator::linker
