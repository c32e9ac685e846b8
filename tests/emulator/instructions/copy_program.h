// One thread that copies between global and shared memory.
#pragma once

#include "lane_program.h"

namespace slipstream::emulator {

// The fault of a thread that finds 64 bytes of global memory at %rd1, 64 of shared at %r2 and an
// mbarrier at %r1.
inline FaultKind fault_of(std::string_view copy) {
  TestDevice test(module_of(".param .u64 in", fmt::format(R"(
    .shared .align 16 .b8 tile[64];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd1, [in];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
    mbarrier.init.shared::cta.b64 [%r1], 1;
    {}
    ret;)",
                                                          copy)));
  const auto fault = test.run(test.launch({test.upload(std::vector<uint32_t>(16))}, {}, {1, 1, 1}));
  EXPECT_TRUE(fault);
  return fault ? fault->kind : FaultKind::kTrap;
}

inline Settings scheduled(Schedule schedule) {
  Settings settings;
  settings.schedule = schedule;
  return settings;
}

inline const std::string kTileAndBarrier = R"(
    .shared .align 16 .b8 tile[64];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
)";

// One thread copies from %rd1, which holds 1000, 1001 and so on, to `tile` at %r2; `barrier` at %r1
// expects one arrival. Gives what `body` leaves in %r20.
inline uint32_t copy_and_read(const std::string& body, Schedule schedule) {
  TestDevice test(module_of(".param .u64 in, .param .u64 out", kTileAndBarrier + R"(
    mbarrier.init.shared::cta.b64 [%r1], 1;
)" + body + "st.global.u32 [%rd2], %r20; ret;"),
                  scheduled(schedule));
  std::vector<uint32_t> values(16);
  for (uint32_t i = 0; i < values.size(); ++i) values[i] = 1000 + i;
  const uint64_t in = test.upload(values);
  const uint64_t out = test.upload(std::vector<uint32_t>(1));
  const auto fault = test.run(test.launch({in, out}, {}, {1, 1, 1}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint32_t>(out, 1).front();
}

inline uint32_t late(const std::string& body) {
  return copy_and_read(body, Schedule::kAdversarial);
}

inline constexpr uint32_t kNoNumber = 0xffffffff;
inline const std::string kReadTile = "ld.shared.u32 %r20, [%r2];\n";

}  // namespace slipstream::emulator
