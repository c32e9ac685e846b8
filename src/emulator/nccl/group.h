// The ranks of one communicator: threads of this process that meet.
//
// A collective call is one meeting. Each rank brings what it calls with, and the last one to come acts
// for all. Whoever came before waits for that, or if its communicator does not block, asks later. What
// goes wrong for one rank goes wrong for all, and for good.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "emulator/nccl/failure.h"
#include "emulator/nccl/nccl_types.h"

namespace slipstream::emulator::nccl {

// What a rank calls.
struct Call {
  enum class Kind : uint8_t { kJoin, kRegister, kAllGather };
  Kind kind = Kind::kJoin;
  int device = 0;
  // A window, or the memory that an all-gather writes.
  void* buffer = nullptr;
  size_t bytes = 0;  // of the window, or of what each rank sends
  int flags = 0;
  ncclWindow_t* window = nullptr;
  const void* send = nullptr;
  cudaStream_t stream = nullptr;
};

class Group {
 public:
  explicit Group(int ranks) : calls_(static_cast<size_t>(ranks)) {}

  [[nodiscard]] int ranks() const { return static_cast<int>(calls_.size()); }
  [[nodiscard]] bool has_joined() const { return devices_.size() == calls_.size(); }

  // Throws Failure where the ranks call different things, one of them does not come in time, or one
  // has failed. Returns ncclInProgress if it need not wait and others have not come yet.
  ncclResult_t call(int rank, const Call& call, bool blocking);
  // How the last call of the rank went: ncclInProgress, or ncclSuccess; throws Failure.
  ncclResult_t result_for(int rank);
  // The group is at its end: whoever waits gets this.
  void fail(const Failure& failure);

 private:
  void require_sound() const;
  void require_fit(const Call& call, int rank) const;
  [[noreturn]] void fail_all(const Failure& failure);
  std::string missing_ranks() const;
  void act();
  void join();
  void register_windows();
  void gather();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<Call>> calls_;  // of the meeting, by rank
  uint64_t meetings_ = 0;                   // that are over
  std::vector<int> devices_;                // by rank, once all have joined
  std::optional<Failure> failure_;
};

// The group that ranks with this id join; the first makes it. Throws Failure for an id of another
// process.
std::shared_ptr<Group> group_of(const ncclUniqueId& id, int ranks);
ncclUniqueId make_id();

}  // namespace slipstream::emulator::nccl
