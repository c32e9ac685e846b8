#include "emulator/runtime/stream.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "emulator/runtime/error.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

uint64_t thread_number() {
  static std::atomic<uint64_t> next{1};
  thread_local const uint64_t number = next++;
  return number;
}

thread_local bool null_is_per_thread = false;

}  // namespace

NullStreamIsPerThread::NullStreamIsPerThread() : before_(std::exchange(null_is_per_thread, true)) {}

NullStreamIsPerThread::~NullStreamIsPerThread() { null_is_per_thread = before_; }

Streams& streams() {
  static auto* all = new Streams;  // outlives every static object of the program
  return *all;
}

Stream& Streams::legacy_default(uint32_t device) {
  const auto [entry, is_new] = legacy_.try_emplace(device);
  if (is_new) {
    entry->second.is_legacy_default = true;
    entry->second.device = device;
    entry->second.id = next_id_++;
  }
  return entry->second;
}

Stream& Streams::create(unsigned int flags, int priority) {
  auto stream = std::make_unique<Stream>();
  stream->flags = flags;
  stream->priority = priority;
  stream->id = next_id_++;
  stream->device = current_device();
  Stream& result = *stream;
  created_.emplace(handle(result), std::move(stream));
  return result;
}

void Streams::destroy(Stream& stream) {
  const auto found = created_.find(handle(stream));
  require(found != created_.end(), cudaErrorInvalidResourceHandle);
  // Pending work goes on; later operations of other streams still see it through their own tails.
  // The legacy default stream has to learn of it here.
  Stream& legacy = legacy_default(stream.device);
  if (stream.blocks_with_default() && stream.sequence > legacy.sequence) {
    drop_completed(stream);
    legacy.tail.insert(legacy.tail.end(), stream.tail.begin(), stream.tail.end());
    if (!stream.tail.empty()) legacy.last_kernel = 0;
  }
  created_.erase(found);
}

Stream& Streams::per_thread_default() {
  std::unique_ptr<Stream>& stream = per_thread_[{thread_number(), current_device()}];
  if (stream == nullptr) {
    stream = std::make_unique<Stream>();
    stream->id = next_id_++;
    stream->device = current_device();
  }
  return *stream;
}

Stream& Streams::resolve(cudaStream_t handle) {
  if (handle == cudaStreamLegacy || (handle == nullptr && !null_is_per_thread)) {
    return legacy_default(current_device());
  }
  if (handle == nullptr || handle == cudaStreamPerThread) return per_thread_default();
  const auto found = created_.find(handle);
  if (found == created_.end()) {
    throw ApiError(cudaErrorInvalidResourceHandle, "there is no such stream");
  }
  return *found->second;
}

cudaStream_t Streams::handle(const Stream& stream) const {
  return reinterpret_cast<cudaStream_t>(const_cast<Stream*>(&stream));
}

void Streams::drop_completed(Stream& stream) {
  std::erase_if(stream.tail,
                [](const Dependency& dependency) { return device().settled(dependency.ticket); });
  // Under the race check complete work stays until the host has waited for it. Of a long chain of
  // launches the last ones stand for all.
  if (stream.tail.size() < 2) return;
  const Ticket last = stream.tail.back().ticket;
  std::erase_if(stream.tail, [&](const Dependency& dependency) {
    return dependency.ticket != last && device().implies(last, dependency.ticket);
  });
}

void Streams::join_default_stream(Stream& stream) {
  drop_completed(stream);
  const auto join = [&](Stream& other) {
    if (other.device != stream.device || other.sequence <= stream.sequence) return;
    drop_completed(other);
    for (const Dependency& dependency : other.tail) {
      stream.tail.push_back({dependency.ticket, DependencyKind::kFull});
      stream.last_kernel = 0;
    }
  };
  if (stream.is_legacy_default) {
    for (auto& [unused, other] : created_) {
      if (other->blocks_with_default()) join(*other);
    }
    for (auto& [unused, other] : per_thread_) join(*other);
  } else if (stream.blocks_with_default()) {
    join(legacy_default(stream.device));
  }
}

void Streams::advance(Stream& stream, Ticket ticket) {
  stream.tail.clear();
  stream.last_kernel = 0;
  advance_overlapping(stream, ticket);
}

void Streams::advance_overlapping(Stream& stream, Ticket ticket) {
  stream.tail.push_back({ticket, DependencyKind::kFull});
  stream.sequence = next_sequence_++;
}

void Streams::synchronize(Stream& stream) {
  join_default_stream(stream);
  // While this thread waits, others may do anything to the stream.
  const std::vector<Dependency> waited = stream.tail;
  const uint32_t device = stream.device;
  for (const Dependency& dependency : waited) run_until(dependency.ticket);
  surface_fault(device);
}

bool Streams::is_complete(Stream& stream) {
  join_default_stream(stream);
  const std::vector<Dependency> asked = stream.tail;
  bool complete = true;
  for (const Dependency& dependency : asked) complete &= try_run_until(dependency.ticket);
  surface_fault(stream.device);
  return complete;
}

void Streams::forget_work(uint32_t device) {
  const auto forget = [&](Stream& stream) {
    if (stream.device != device) return;
    stream.tail.clear();
    stream.last_kernel = 0;
    stream.capture = nullptr;
    stream.captured_tail.clear();
  };
  for (auto& [unused, stream] : legacy_) forget(stream);
  for (auto& [unused, stream] : created_) forget(*stream);
  for (auto& [unused, stream] : per_thread_) forget(*stream);
}

}  // namespace slipstream::emulator::runtime
