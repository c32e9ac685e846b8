#include "engine/step_queue.h"

#include <fmt/core.h>

#include <utility>

#include "slipstream/error.h"

namespace slipstream::engine {

void StepQueue::push(QueuedStep step) {
  const std::scoped_lock lock(mutex_);
  step.number = next_number_++;
  steps_.push_back(std::move(step));
}

size_t StepQueue::size() const {
  const std::scoped_lock lock(mutex_);
  return steps_.size();
}

const QueuedStep& StepQueue::claim(Ticket ticket) {
  const std::scoped_lock lock(mutex_);
  const auto number = static_cast<int64_t>(ticket);
  if (finished_ == steps_.size()) {
    throw InvalidArgument(
        fmt::format("ticket must be that of a step that has not been waited for, is {}", number));
  }
  // Neither pushing nor taking others moves it.
  const QueuedStep& oldest = steps_[finished_];
  if (oldest.number == number) return oldest;
  throw InvalidArgument(fmt::format("steps must be waited for in order, ticket {} first, is {}",
                                    oldest.number, number));
}

void StepQueue::finish(std::span<const int> tokens) {
  const std::scoped_lock lock(mutex_);
  steps_[finished_++].tokens.assign(tokens.begin(), tokens.end());
}

std::optional<QueuedStep> StepQueue::take() {
  const std::scoped_lock lock(mutex_);
  if (finished_ == 0) return std::nullopt;
  QueuedStep step = std::move(steps_.front());
  steps_.pop_front();
  --finished_;
  return step;
}

}  // namespace slipstream::engine
