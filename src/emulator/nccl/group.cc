#include "emulator/nccl/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "emulator/nccl/all_gather.h"
#include "emulator/nccl/window.h"

namespace slipstream::emulator::nccl {
namespace {

const char* name_of(Call::Kind kind) {
  switch (kind) {
    case Call::Kind::kJoin:
      return "ncclCommInitRankConfig";
    case Call::Kind::kRegister:
      return "ncclCommWindowRegister";
    case Call::Kind::kAllGather:
      break;
  }
  return "ncclAllGather";
}

// The same limit as for kernels that poll.
std::chrono::seconds time_limit() {
  constexpr int kDefault = 60;
  const char* const text = std::getenv("SLIPSTREAM_EMULATOR_POLL_SECONDS");
  const int seconds = text == nullptr ? 0 : std::atoi(text);
  return std::chrono::seconds(seconds > 0 ? seconds : kDefault);
}

}  // namespace

ncclResult_t Group::call(int rank, const Call& call, bool blocking) {
  std::unique_lock lock(mutex_);
  require_sound();
  try {
    require_fit(call, rank);
  } catch (const Failure& failure) {
    fail_all(failure);
  }
  calls_[static_cast<size_t>(rank)] = call;
  const uint64_t meeting = meetings_;
  if (std::ranges::all_of(calls_, [](const auto& each) { return each.has_value(); })) {
    act();
    return ncclSuccess;
  }
  if (!blocking) return ncclInProgress;
  const auto is_over = [&] { return meetings_ != meeting || failure_.has_value(); };
  if (!changed_.wait_for(lock, time_limit(), is_over)) {
    fail_all(Failure(ncclRemoteError,
                     fmt::format("{} did not come to {} within {} seconds", missing_ranks(),
                                 name_of(call.kind), time_limit().count())));
  }
  if (meetings_ == meeting) throw *failure_;
  return ncclSuccess;
}

ncclResult_t Group::result_for(int rank) {
  const std::lock_guard lock(mutex_);
  require_sound();
  return calls_.at(static_cast<size_t>(rank)).has_value() ? ncclInProgress : ncclSuccess;
}

void Group::fail(const Failure& failure) {
  const std::lock_guard lock(mutex_);
  if (!failure_.has_value()) failure_ = failure;
  changed_.notify_all();
}

void Group::require_sound() const {
  if (failure_.has_value()) throw *failure_;
}

void Group::fail_all(const Failure& failure) {
  failure_ = failure;
  changed_.notify_all();
  throw failure;
}

void Group::require_fit(const Call& call, int rank) const {
  const std::optional<Call>& mine = calls_.at(static_cast<size_t>(rank));
  if (mine.has_value()) {
    throw Failure(ncclInvalidUsage,
                  fmt::format("rank {} is in {} already", rank, name_of(mine->kind)));
  }
  for (size_t other = 0; other < calls_.size(); ++other) {
    const std::optional<Call>& before = calls_[other];
    if (!before.has_value()) continue;
    if (before->kind != call.kind) {
      throw Failure(ncclInvalidUsage, fmt::format("rank {} calls it where rank {} calls {}", rank,
                                                  other, name_of(before->kind)));
    }
    if (call.kind != Call::Kind::kJoin && before->bytes != call.bytes) {
      throw Failure(ncclInvalidArgument,
                    fmt::format("rank {} calls it with {} bytes where rank {} has {}", rank,
                                call.bytes, other, before->bytes));
    }
  }
}

std::string Group::missing_ranks() const {
  std::vector<size_t> missing;
  for (size_t rank = 0; rank < calls_.size(); ++rank) {
    if (!calls_[rank].has_value()) missing.push_back(rank);
  }
  return fmt::format("{} {} of {}", missing.size() == 1 ? "rank" : "ranks",
                     fmt::join(missing, ", "), calls_.size());
}

// The last rank has come.
void Group::act() {
  try {
    switch (calls_.front()->kind) {
      case Call::Kind::kJoin:
        join();
        break;
      case Call::Kind::kRegister:
        register_windows();
        break;
      case Call::Kind::kAllGather:
        gather();
        break;
    }
  } catch (const Failure& failure) {
    fail_all(failure);
  }
  for (std::optional<Call>& call : calls_) call.reset();
  ++meetings_;
  changed_.notify_all();
}

void Group::join() {
  std::vector<int> devices;
  for (const std::optional<Call>& call : calls_) {
    const auto same = std::ranges::find(devices, call->device);
    if (same != devices.end()) {
      throw Failure(ncclInvalidUsage,
                    fmt::format("ranks {} and {} both use device {}: each needs one of its own",
                                same - devices.begin(), devices.size(), call->device));
    }
    devices.push_back(call->device);
  }
  devices_ = std::move(devices);
}

void Group::register_windows() {
  std::vector<Call> calls;
  for (const std::optional<Call>& call : calls_) calls.push_back(*call);
  make_windows(calls);
}

void Group::gather() {
  std::vector<Call> calls;
  for (const std::optional<Call>& call : calls_) calls.push_back(*call);
  all_gather(calls);
}

}  // namespace slipstream::emulator::nccl
