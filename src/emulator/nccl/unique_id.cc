// Ids by which the ranks of a communicator find each other.
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "emulator/nccl/group.h"

namespace slipstream::emulator::nccl {
namespace {

constexpr uint64_t kMagic = 0x736c69704e43434cULL;

struct IdContent {
  uint64_t magic = kMagic;
  int64_t process = 0;
  uint64_t number = 0;
};
static_assert(sizeof(IdContent) <= sizeof(ncclUniqueId));

std::mutex& ids_lock() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

}  // namespace

ncclUniqueId make_id() {
  static uint64_t count = 0;
  const std::lock_guard guard(ids_lock());
  IdContent content;
  content.process = getpid();
  content.number = ++count;
  ncclUniqueId id{};
  std::memcpy(id.internal, &content, sizeof(content));
  return id;
}

std::shared_ptr<Group> group_of(const ncclUniqueId& id, int ranks) {
  static auto* groups = new std::map<uint64_t, std::shared_ptr<Group>>;
  IdContent content;
  std::memcpy(&content, id.internal, sizeof(content));
  if (content.magic != kMagic) {
    throw Failure(ncclInvalidArgument, "the id must come from ncclGetUniqueId, it does not");
  }
  if (content.process != getpid()) {
    throw Failure(ncclInvalidUsage,
                  fmt::format("the id comes from process {}, this is process {}: emulated devices "
                              "connect threads of one process only",
                              content.process, getpid()));
  }
  const std::lock_guard guard(ids_lock());
  std::shared_ptr<Group>& group = (*groups)[content.number];
  if (group == nullptr) group = std::make_shared<Group>(ranks);
  if (group->ranks() != ranks) {
    throw Failure(
        ncclInvalidArgument,
        fmt::format("the number of ranks must be {}, as for the first that came, it is {}",
                    group->ranks(), ranks));
  }
  if (group->has_joined()) {
    throw Failure(ncclInvalidUsage, "the id has been used: every communicator needs a new one");
  }
  return group;
}

}  // namespace slipstream::emulator::nccl
