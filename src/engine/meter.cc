#include "engine/meter.h"

#include <algorithm>

#include "slipstream/error.h"

namespace slipstream::engine {

void Meter::set_state(const State& state) {
  const std::scoped_lock lock(mutex_);
  metrics_.sequences = state.sequences;
  metrics_.cache_pages = state.cache_pages;
  metrics_.cache_pages_in_use = state.cache_pages_in_use;
}

void Meter::step_enqueued() {
  const std::scoped_lock lock(mutex_);
  enqueued_.push_back(Clock::now());
}

void Meter::step_arrived() {
  const std::scoped_lock lock(mutex_);
  const Clock::time_point now = Clock::now();
  const Clock::time_point began = std::max(enqueued_.front(), last_arrival_);
  enqueued_.pop_front();
  last_arrival_ = now;
  ++metrics_.steps;
  metrics_.step_seconds.add(std::chrono::duration<double>(now - began).count());
}

void Meter::handed_out(uint64_t sampled_tokens) {
  const std::scoped_lock lock(mutex_);
  metrics_.generated_tokens += sampled_tokens;
}

void Meter::forget_steps() {
  const std::scoped_lock lock(mutex_);
  enqueued_.clear();
}

void Meter::prefilled(uint64_t tokens, uint64_t steps, double seconds) {
  const std::scoped_lock lock(mutex_);
  metrics_.prompt_tokens += tokens;
  metrics_.steps += steps;
  ++metrics_.generated_tokens;
  metrics_.prefill_seconds.add(seconds);
}

void Meter::prompt_tokens_enqueued(uint64_t tokens) {
  const std::scoped_lock lock(mutex_);
  metrics_.prompt_tokens += tokens;
}

void Meter::refused() {
  const std::scoped_lock lock(mutex_);
  ++metrics_.refused_calls;
}

void Meter::canceled() {
  const std::scoped_lock lock(mutex_);
  ++metrics_.canceled_calls;
}

void Meter::failed(const std::exception& error) {
  const std::scoped_lock lock(mutex_);
  metrics_.is_closed = true;
  if (const auto* cuda = dynamic_cast<const CudaError*>(&error)) {
    ++metrics_.device_errors;
    if (cuda->code() == cudaErrorLaunchTimeout) ++metrics_.hung_steps;
  } else if (dynamic_cast<const RankError*>(&error) != nullptr) {
    ++metrics_.rank_errors;
  } else {
    ++metrics_.other_errors;
  }
}

void Meter::looked_at(std::span<const float> logits, uint64_t nonfinite) {
  const std::scoped_lock lock(mutex_);
  metrics_.logits_looked_at += logits.size();
  metrics_.nonfinite_logits += nonfinite;
}

Metrics Meter::read() const {
  const std::scoped_lock lock(mutex_);
  return metrics_;
}

}  // namespace slipstream::engine
