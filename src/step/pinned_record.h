// A PollRecord in pinned memory of the host, which the device writes.
#pragma once

#include "step/windows.h"

namespace slipstream::step {

class PinnedRecord {
 public:
  PinnedRecord();
  ~PinnedRecord();
  PinnedRecord(const PinnedRecord&) = delete;
  PinnedRecord& operator=(const PinnedRecord&) = delete;

  // Whole if a poll has been given up, also while kernels run.
  [[nodiscard]] PollRecord read() const;
  // Where no kernel runs: as if nothing had happened.
  void clear() const { *record_ = {}; }
  [[nodiscard]] PollRecord* on_device() const;

 private:
  PollRecord* record_ = nullptr;
};

}  // namespace slipstream::step
