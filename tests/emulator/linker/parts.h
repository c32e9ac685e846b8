// A kernel that uses a function and a variable of other inputs.
#pragma once

namespace slipstream::driver_test {

inline constexpr const char* kHeader = ".version 8.0\n.target sm_90\n.address_size 64\n";

// compute(out): out[0] = scaled(5) + offset.
inline constexpr const char* kKernel = R"(
.extern .func (.param .b32 result) scaled(.param .b32 value);
.extern .global .align 4 .u32 offset;
.visible .entry compute(.param .u64 out)
{
  .reg .u64 %rd<2>;
  .reg .u32 %r<4>;
  {
    .param .b32 value;
    .param .b32 result;
    st.param.b32 [value], 5;
    call.uni (result), scaled, (value);
    ld.param.b32 %r1, [result];
  }
  ld.global.u32 %r2, [offset];
  add.u32 %r3, %r1, %r2;
  ld.param.u64 %rd1, [out];
  st.global.u32 [%rd1], %r3;
  ret;
}
)";

inline constexpr const char* kFunction = R"(
.visible .func (.param .b32 result) scaled(.param .b32 value)
{
  .reg .u32 %r<2>;
  ld.param.b32 %r1, [value];
  mul.lo.u32 %r1, %r1, 3;
  st.param.b32 [result], %r1;
  ret;
}
)";

inline constexpr const char* kVariable = ".visible .global .align 4 .u32 offset = 100;\n";

}  // namespace slipstream::driver_test
