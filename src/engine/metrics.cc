#include "slipstream/metrics.h"

#include <fmt/format.h>

#include <string_view>

namespace slipstream::engine {
namespace {

// Lines of one metric after the other, each with its help and type.
class PrometheusText {
 public:
  explicit PrometheusText(const std::string& labels) : labels_(labels) {}

  template <class Number>
  void counter(std::string_view name, std::string_view help, Number value) {
    head(name, help, "counter");
    line(name, "", value);
  }
  template <class Number>
  void gauge(std::string_view name, std::string_view help, Number value) {
    head(name, help, "gauge");
    line(name, "", value);
  }
  // Prometheus counts what is at most as long as a limit, so each count holds those before it.
  void histogram(std::string_view name, std::string_view help, const LatencyHistogram& values) {
    head(name, help, "histogram");
    const std::string bucket = fmt::format("{}_bucket", name);
    uint64_t so_far = 0;
    for (size_t i = 0; i < LatencyHistogram::kLimits; ++i) {
      so_far += values.counts[i];
      line(bucket, fmt::format("le=\"{}\"", LatencyHistogram::limit(i)), so_far);
    }
    line(bucket, "le=\"+Inf\"", values.count);
    line(fmt::format("{}_sum", name), "", values.sum_seconds);
    line(fmt::format("{}_count", name), "", values.count);
  }
  // One counter with a label of its own.
  void begin_errors() { head("errors_total", "Calls that threw, by kind.", "counter"); }
  void errors(std::string_view kind, uint64_t count) {
    line("errors_total", fmt::format("kind=\"{}\"", kind), count);
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void head(std::string_view name, std::string_view help, std::string_view type) {
    text_ +=
        fmt::format("# HELP slipstream_{0} {1}\n# TYPE slipstream_{0} {2}\n", name, help, type);
  }
  template <class Number>
  void line(std::string_view name, const std::string& label, Number value) {
    const std::string_view comma = label.empty() || labels_.empty() ? "" : ",";
    const std::string all = fmt::format("{}{}{}", labels_, comma, label);
    text_ += all.empty() ? fmt::format("slipstream_{} {}\n", name, value)
                         : fmt::format("slipstream_{}{{{}}} {}\n", name, all, value);
  }

  const std::string& labels_;
  std::string text_;
};

}  // namespace

void LatencyHistogram::add(double seconds) {
  size_t index = 0;
  while (index < kLimits && seconds > limit(index)) ++index;
  ++counts[index];
  ++count;
  sum_seconds += seconds;
}

std::string prometheus_text(const Metrics& metrics, const std::string& labels) {
  PrometheusText text(labels);
  text.counter("prompt_tokens_total", "Tokens of prompts appended.", metrics.prompt_tokens);
  text.counter("generated_tokens_total", "Sampled tokens handed out.", metrics.generated_tokens);
  text.counter("steps_total", "Steps whose tokens have arrived.", metrics.steps);
  text.counter("canceled_calls_total", "Calls ended by cancel().", metrics.canceled_calls);
  text.begin_errors();
  text.errors("refused", metrics.refused_calls);
  text.errors("device", metrics.device_errors);
  text.errors("rank", metrics.rank_errors);
  text.errors("other", metrics.other_errors);
  text.counter("hung_steps_total", "Steps over step_limit.", metrics.hung_steps);
  text.counter("logits_looked_at_total", "Logits that logits() copied.", metrics.logits_looked_at);
  text.counter("nonfinite_logits_total", "Of these, NaN and infinite ones.",
               metrics.nonfinite_logits);
  text.gauge("sequences", "Sequences alive.", metrics.sequences);
  text.gauge("cache_pages", "Pages of the cache.", metrics.cache_pages);
  text.gauge("cache_pages_in_use", "Of these, pages that sequences hold.",
             metrics.cache_pages_in_use);
  text.gauge("closed", "1 where an error has closed the engine.", metrics.is_closed ? 1 : 0);
  text.histogram("step_seconds", "Duration of a step.", metrics.step_seconds);
  text.histogram("prefill_seconds", "Duration of a call of prefill.", metrics.prefill_seconds);
  return text.take();
}

}  // namespace slipstream::engine
