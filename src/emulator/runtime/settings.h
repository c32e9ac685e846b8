// What the user may set about the emulated device. `slipstream emulate` sets the environment
// variables from its options.
#pragma once

#include <cstdint>
#include <string>

namespace slipstream::emulator::runtime {

enum class ScheduleKind { kSerial, kOverlapped, kAdversarial };
// Which reads of memory that nobody wrote are reported.
enum class UnwrittenReads { kUsed, kAll, kNone };

struct Settings {
  int devices = 1;                                // SLIPSTREAM_EMULATOR_DEVICES
  int multiprocessors = 132;                      // SLIPSTREAM_EMULATOR_SMS
  ScheduleKind schedule = ScheduleKind::kSerial;  // SLIPSTREAM_EMULATOR_SCHEDULE
  uint64_t seed = 0;                              // SLIPSTREAM_EMULATOR_SEED
  int threads = 0;                                // SLIPSTREAM_EMULATOR_THREADS; 0: all cores
  int poll_seconds = 60;                          // SLIPSTREAM_EMULATOR_POLL_SECONDS
  UnwrittenReads unwritten_reads = UnwrittenReads::kUsed;  // SLIPSTREAM_EMULATOR_UNWRITTEN_READS
  bool statistics = false;                                 // SLIPSTREAM_EMULATOR_STATS
  std::string report_file;                                 // SLIPSTREAM_EMULATOR_REPORT
  std::string race_file;  // SLIPSTREAM_EMULATOR_CHECK: where findings go; empty: no race check
  std::string
      record_folder;  // SLIPSTREAM_EMULATOR_RECORD: where launches are noted; empty: nowhere
};

// Reads the environment. Throws std::runtime_error naming the variable, what it must be and what it
// is.
Settings read_settings();

}  // namespace slipstream::emulator::runtime
