// Counts what an engine does, for Metrics. Any thread may count and read; a step costs it two looks at
// the clock and a lock that nobody holds for long.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <span>

#include "slipstream/metrics.h"

namespace slipstream::engine {

class Meter {
 public:
  using Clock = std::chrono::steady_clock;

  // What is so at the end of a call.
  struct State {
    int64_t sequences = 0;
    int64_t cache_pages = 0;
    int64_t cache_pages_in_use = 0;
  };
  void set_state(const State& state);

  // Steps arrive in the order in which they were enqueued.
  void step_enqueued();
  void step_arrived();
  void handed_out(uint64_t sampled_tokens);
  // Steps that nobody waits for any more.
  void forget_steps();

  void prefilled(uint64_t tokens, uint64_t steps, double seconds);
  void prompt_tokens_enqueued(uint64_t tokens);
  void refused();
  void canceled();
  // What closes the engine.
  void failed(const std::exception& error);
  void looked_at(std::span<const float> logits, uint64_t nonfinite);

  [[nodiscard]] Metrics read() const;

 private:
  mutable std::mutex mutex_;
  Metrics metrics_;
  std::deque<Clock::time_point> enqueued_;  // when, of the steps that have not arrived
  Clock::time_point last_arrival_;
};

}  // namespace slipstream::engine
