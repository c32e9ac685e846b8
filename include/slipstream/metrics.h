// What an engine has done so far, for those who watch it: Engine::metrics() and its text for
// Prometheus. docs/operations.md lists the names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace slipstream::engine {

// How often a duration fell between two limits. The limits double, from 50 microseconds on.
struct LatencyHistogram {
  static constexpr size_t kLimits = 20;
  // Seconds: what limit `index` counts is at most so long.
  [[nodiscard]] static constexpr double limit(size_t index) {
    return 50e-6 * static_cast<double>(uint64_t{1} << index);
  }

  std::array<uint64_t, kLimits + 1> counts{};  // the last one: longer than all limits
  uint64_t count = 0;
  double sum_seconds = 0;

  void add(double seconds);
};

// Counted since the engine was loaded, but for those that say what is so now.
struct Metrics {
  uint64_t prompt_tokens = 0;     // appended by prefill, or given to enqueue
  uint64_t generated_tokens = 0;  // sampled ones that a caller got
  uint64_t steps = 0;             // whose tokens have arrived; of a prompt, each piece of 16
  uint64_t canceled_calls = 0;
  uint64_t refused_calls = 0;      // InvalidArgument
  uint64_t device_errors = 0;      // CudaError: closes the engine
  uint64_t rank_errors = 0;        // RankError: closes the engine
  uint64_t other_errors = 0;       // such as a lack of memory: closes the engine
  uint64_t hung_steps = 0;         // of the device errors, those over step_limit
  uint64_t nonfinite_logits = 0;   // NaN or infinite ones, of those that were looked at
  uint64_t logits_looked_at = 0;   // by logits()
  int64_t sequences = 0;           // alive now
  int64_t cache_pages = 0;         // there are
  int64_t cache_pages_in_use = 0;  // now; 0 where the caller hands them out
  bool is_closed = false;          // now

  // Of a step: from when it was enqueued, or the one before it was done, until its tokens arrived.
  LatencyHistogram step_seconds;
  // Of a call of prefill, from its beginning to its token.
  LatencyHistogram prefill_seconds;
};

// In the text format that Prometheus reads (version 0.0.4), each name beginning with slipstream_.
// `labels` goes into every line, such as `model="glm-5.2",rank="0"`; empty: none.
[[nodiscard]] std::string prometheus_text(const Metrics& metrics, const std::string& labels = "");

}  // namespace slipstream::engine
