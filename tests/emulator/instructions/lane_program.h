// Runs a few PTX instructions on 32 lanes: registers in, registers out.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/device/device.h"

namespace slipstream::emulator {

// Puts a kernel body into a module. Registers %r, %rd, %f, %fd, %h and %p with numbers are
// declared.
inline std::string module_of(std::string_view parameters, std::string_view body) {
  return fmt::format(R"(.version 9.0
.target sm_90a
.address_size 64
.extern .shared .align 16 .b8 dynamic_shared[];
.visible .entry kernel({}) {{
  .reg .pred %p<16>;
  .reg .b16 %h<32>;
  .reg .b32 %r<64>;
  .reg .f32 %f<32>;
  .reg .b64 %rd<64>;
  .reg .f64 %fd<32>;
{}
}}
)",
                     parameters, body);
}

// A device with one loaded module and helpers to launch from it.
class TestDevice {
 public:
  explicit TestDevice(const std::string& ptx, Settings settings = {})
      : device(std::move(settings)),
        module_(device.load_module({ptx::Module::parse(ptx, "test.ptx")})) {}

  const Kernel* kernel(std::string_view name = "kernel") {
    return device.find_kernel(module_, name);
  }
  LoadedModule* module() { return module_; }

  template <class T>
  uint64_t upload(const std::vector<T>& values, const std::string& name = "buffer") {
    const uint64_t address = device.allocate(values.size() * sizeof(T), MemoryKind::kDevice, name);
    device.copy(address, reinterpret_cast<uint64_t>(values.data()), values.size() * sizeof(T));
    return address;
  }
  template <class T>
  std::vector<T> download(uint64_t address, size_t count) {
    std::vector<T> values(count);
    std::memcpy(values.data(), reinterpret_cast<const void*>(address), count * sizeof(T));
    return values;
  }

  // 64-bit parameters, which is all that most kernels here have.
  KernelLaunch launch(std::vector<uint64_t> parameters, Dim3 grid = {}, Dim3 block = {32, 1, 1},
                      std::string_view name = "kernel") {
    KernelLaunch launch;
    launch.kernel = kernel(name);
    launch.grid = grid;
    launch.block = block;
    launch.parameters.resize(parameters.size() * sizeof(uint64_t));
    if (!parameters.empty()) {
      std::memcpy(launch.parameters.data(), parameters.data(), launch.parameters.size());
    }
    return launch;
  }
  std::optional<Fault> run(KernelLaunch launch) {
    device.submit(std::move(launch));
    return device.run_all();
  }

  Device device;

 private:
  LoadedModule* module_;
};

// Runs `body` on 32 lanes. Lane i finds inputs[k][i] in %rd(10 + k), %r(10 + k), %h(10 + k), and as
// numbers in %f(10 + k) and %fd(10 + k); it leaves its result in %rd0. %r0 is the lane.
inline std::array<uint64_t, 32> run_lanes(std::string_view body,
                                          const std::vector<std::vector<uint64_t>>& inputs = {}) {
  std::string text = R"(
  ld.param.u64 %rd1, [in];
  ld.param.u64 %rd2, [out];
  mov.u32 %r0, %laneid;
  mul.wide.u32 %rd3, %r0, 8;
  add.s64 %rd1, %rd1, %rd3;
  add.s64 %rd2, %rd2, %rd3;
  mov.u64 %rd0, 0;
)";
  std::vector<uint64_t> flat;
  for (size_t k = 0; k < inputs.size(); ++k) {
    text += fmt::format(
        "  ld.global.b64 %rd{0}, [%rd1+{1}];\n  cvt.u32.u64 %r{0}, %rd{0};\n"
        "  cvt.u16.u64 %h{0}, %rd{0};\n  mov.b32 %f{0}, %r{0};\n"
        "  mov.b64 %fd{0}, %rd{0};\n",
        10 + k, k * 256);
    for (size_t lane = 0; lane < 32; ++lane) {
      flat.push_back(inputs[k][lane % inputs[k].size()]);
    }
  }
  flat.resize(std::max<size_t>(flat.size(), 32));
  text += body;
  text += "\n  st.global.b64 [%rd2], %rd0;\n  ret;\n";
  TestDevice test(module_of(".param .u64 in, .param .u64 out", text));
  const uint64_t in = test.upload(flat, "in");
  const uint64_t out = test.upload(std::vector<uint64_t>(32), "out");
  const auto fault = test.run(test.launch({in, out}));
  EXPECT_FALSE(fault.has_value()) << fault->report();
  std::array<uint64_t, 32> result;
  std::memcpy(result.data(), reinterpret_cast<const void*>(out), sizeof(result));
  return result;
}

// The result of lane 0.
inline uint64_t run_one(std::string_view body, const std::vector<uint64_t>& inputs = {}) {
  std::vector<std::vector<uint64_t>> columns;
  for (const uint64_t input : inputs) {
    columns.push_back({input});
  }
  return run_lanes(body, columns)[0];
}

// The 32-bit result of one instruction on %r10, %r11, ..., which leaves it in %r20.
inline uint32_t run32(const std::string& instruction, const std::vector<uint64_t>& inputs = {}) {
  return static_cast<uint32_t>(run_one(instruction + " cvt.u64.u32 %rd0, %r20;", inputs));
}

inline uint64_t bits(float value) { return std::bit_cast<uint32_t>(value); }
inline uint64_t bits(double value) { return std::bit_cast<uint64_t>(value); }

}  // namespace slipstream::emulator
