// The steps that have been enqueued one by one and are not settled yet: what is to be told of each,
// and how far the caller has got with waiting. One thread may wait while another enqueues.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "slipstream/serving.h"

namespace slipstream::engine {

struct QueuedPart {
  SequenceId sequence{};
  int row = 0;  // the last of the part
  bool is_sampled = false;
  int logprobs = -1;
  std::shared_ptr<const std::vector<int>> stops;
};

struct QueuedStep {
  int64_t number = 0;
  int rows = 0;
  std::vector<QueuedPart> parts;
  std::vector<int> tokens;  // of all rows, once they are here
};

class StepQueue {
 public:
  // The number of the next step to be pushed.
  [[nodiscard]] int64_t next_number() const { return next_number_; }
  void push(QueuedStep step);
  [[nodiscard]] size_t size() const;
  // Steps that are settled.
  [[nodiscard]] int64_t settled() const { return next_number_ - static_cast<int64_t>(size()); }

  // The step that is to be waited for: the oldest one that has not been. It stays until finish() has
  // taken its tokens. Throws InvalidArgument if the ticket is another's.
  [[nodiscard]] const QueuedStep& claim(Ticket ticket);
  void finish(std::span<const int> tokens);

  // The oldest step, if it has its tokens; it leaves the queue, and is settled.
  [[nodiscard]] std::optional<QueuedStep> take();

 private:
  mutable std::mutex mutex_;  // of what follows; next_number_ changes with it
  std::deque<QueuedStep> steps_;
  size_t finished_ = 0;  // of them, the first ones
  int64_t next_number_ = 0;
};

}  // namespace slipstream::engine
