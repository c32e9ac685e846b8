// Tells how far loading has come, where it takes long.
#pragma once

#include <chrono>

#include "slipstream/engine.h"

namespace slipstream::engine {

class LoadReport {
 public:
  LoadReport(const LoadOptions& options, int64_t total_bytes)
      : options_(options), total_bytes_(total_bytes) {}

  // `bytes` are on the device.
  void update(int64_t bytes) {
    if (!options_.on_progress) return;
    const Clock::time_point now = Clock::now();
    const bool is_last_of_a_long_load = bytes == total_bytes_ && last_ != begin_;
    if (now - last_ < kPeriod && !is_last_of_a_long_load) return;
    last_ = now;
    options_.on_progress({.rank = options_.rank,
                          .bytes = bytes,
                          .total_bytes = total_bytes_,
                          .seconds = std::chrono::duration<double>(now - begin_).count()});
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPeriod{2};

  const LoadOptions& options_;
  int64_t total_bytes_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_ = begin_;
};

}  // namespace slipstream::engine
