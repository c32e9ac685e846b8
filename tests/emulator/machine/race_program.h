// For tests of the race check: kernels of 64 threads in PTX, and what the check finds in them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator {

inline constexpr uint32_t kThreads = 64;

// Each kernel gets two pointers. %rd3 and %rd4 are the threads' own elements of 4 bytes, %r1 the
// thread, %r2 the CTA, %p1 holds for thread 0. %r20 is the thread's own element of 4 bytes in shared memory, %r21 that
// of the thread with the same lane in the other warp.
inline std::string kernel(std::string_view name, std::string_view body) {
  return fmt::format(R"(
.visible .entry {}(.param .u64 a, .param .u64 b) {{
  .reg .pred %p<8>; .reg .b32 %r<32>; .reg .b64 %rd<32>;
  .shared .align 8 .b64 barrier;
  .shared .align 128 .b8 tile[4096];
  ld.param.u64 %rd1, [a];
  ld.param.u64 %rd2, [b];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ctaid.x;
  setp.eq.u32 %p1, %r1, 0;
  mad.lo.u32 %r3, %r2, 64, %r1;
  mad.wide.u32 %rd3, %r3, 4, %rd1;
  mad.wide.u32 %rd4, %r3, 4, %rd2;
  mov.u32 %r19, tile;
  mad.lo.u32 %r20, %r1, 4, %r19;
  xor.b32 %r4, %r1, 32;
  mad.lo.u32 %r21, %r4, 4, %r19;
{}
  ret;
}})",
                     name, body);
}

inline std::string module_of(const std::vector<std::string>& kernels) {
  std::string text = ".version 9.0\n.target sm_90a\n.address_size 64\n";
  for (const std::string& one : kernels) text += one;
  return text;
}

// Reads the element of a thread of the other warp (%rd5).
inline constexpr std::string_view kReadOther =
    "  xor.b32 %r4, %r3, 32;\n  mad.wide.u32 %rd5, %r4, 4, %rd1;\n  ld.global.u32 %r5, [%rd5];\n";

class RaceTest : public testing::Test {
 protected:
  // Launches the kernels in order; `programmatic` says which may start early after the one before.
  struct Launch {
    std::string name;
    bool programmatic = false;
    uint32_t ctas = 1;
    uint32_t cluster = 0;
    uint32_t threads = kThreads;
  };
  std::vector<RaceFinding> run(const std::vector<std::string>& kernels,
                               const std::vector<Launch>& launches,
                               Schedule schedule = Schedule::kSerial) {
    Settings settings;
    settings.check_races = true;
    settings.schedule = schedule;
    settings.uninitialized_reads = UninitializedReads::kIgnore;
    TestDevice on(module_of(kernels), settings);
    const uint64_t a = on.upload(std::vector<uint32_t>(1024), "a");
    const uint64_t b = on.upload(std::vector<uint32_t>(1024), "b");
    Ticket before = 0;
    for (const Launch& one : launches) {
      KernelLaunch launch;
      launch.kernel = on.kernel(one.name);
      launch.grid = {one.ctas, 1, 1};
      launch.block = {one.threads, 1, 1};
      if (one.cluster != 0) launch.cluster = {one.cluster, 1, 1};
      launch.parameters.resize(16);
      std::memcpy(launch.parameters.data(), &a, 8);
      std::memcpy(launch.parameters.data() + 8, &b, 8);
      if (before != 0) {
        launch.dependencies = {
            {before, one.programmatic ? DependencyKind::kProgrammatic : DependencyKind::kFull}};
      }
      before = on.device.submit(launch);
    }
    const auto fault = on.device.run_all();
    EXPECT_FALSE(fault.has_value()) << fault->report();
    return on.device.race_findings();
  }
  std::vector<RaceFinding> run_one(std::string_view body, uint32_t ctas = 1, uint32_t cluster = 0) {
    return run({kernel("k", body)}, {{"k", false, ctas, cluster}});
  }
};

}  // namespace slipstream::emulator
