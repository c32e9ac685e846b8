// One rank's window, mapped by all ranks.
#pragma once

#include <atomic>

#include "engine/ranks/meeting.h"
#include "engine/ranks/nccl.h"
#include "step/windows.h"

namespace slipstream::engine {

class SharedWindow {
 public:
  // By all ranks at once, each with its GPU current. Throws, on all of them, what kept any of them.
  SharedWindow(const Nccl& nccl, Meeting& meeting, int64_t bytes);
  // After Meeting::leave().
  ~SharedWindow();
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  [[nodiscard]] const step::RankWindows& windows() const { return windows_; }

 private:
  // Runs a call of NCCL's in which ranks wait for each other, so that one that fails must not wait
  // to say so.
  template <class Call>
  void together(const Call& call);
  void join(const std::string& id);
  void find_peers();
  // That each rank's window is where the others think it is: every rank writes its number into all.
  void prove();
  // Closing waits for the other ranks, and so does without it where some of them may be gone.
  void release(bool all_there) noexcept;

  const Nccl& nccl_;
  Meeting& meeting_;
  std::atomic<NcclComm*> comm_ = nullptr;
  void* memory_ = nullptr;
  NcclWindow* handle_ = nullptr;
  step::RankWindows windows_;
};

}  // namespace slipstream::engine
