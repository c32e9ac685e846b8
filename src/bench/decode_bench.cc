#include "bench/decode_bench.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "bench/common_experts.h"
#include "bench/fitting_layers.h"
#include "bench/step_team.h"
#include "bench/stopwatch.h"
#include "model/released_models.h"
#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

constexpr int kMaxTracedSteps = 11;

bool same_bits(const StepOutput& a, const StepOutput& b) {
  return a.sampled == b.sampled && a.logits.size() == b.logits.size() &&
         std::memcmp(a.logits.data(), b.logits.data(), a.logits.size() * sizeof(float)) == 0;
}

void require_finite(const StepOutput& output) {
  const auto bad = std::find_if_not(output.logits.begin(), output.logits.end(),
                                    [](float logit) { return std::isfinite(logit); });
  if (bad == output.logits.end()) return;
  throw Error(
      fmt::format("not reported, because logit {} is {}", bad - output.logits.begin(), *bad));
}

void require_same(const StepOutput& expected, const StepOutput& output, const char* where) {
  if (same_bits(expected, output)) return;
  throw Error(
      fmt::format("not reported, because {} gives other logits than a step without PDL", where));
}

void require_probabilities(const std::vector<double>& acceptance) {
  double before = 1;
  for (const double rate : acceptance) {
    if (!(rate >= 0 && rate <= before)) {
      throw InvalidArgument(fmt::format(
          "acceptance must be probabilities none of which is larger than the one before, is {}",
          fmt::join(acceptance, ", ")));
    }
    before = rate;
  }
}

// Measures each shape with the kernels as they ship, then launch by launch with instrumented ones.
class DecodeBench {
 public:
  explicit DecodeBench(const DecodeBenchOptions& options)
      : options_(options), model_(options.model) {
    model_.drafts = std::any_of(options.drafts.begin(), options.drafts.end(),
                                [](int drafts) { return drafts > 0; });
  }

  DecodeReport run() {
    require_probabilities(options_.acceptance);
    // What is no model is said before anything is measured.
    report_.model_layers = layers_of(model_);
    (void)expert_pool(model::model_shape(model_.name_or_file, 0), model_.common_experts);
    report_.acceptance = options_.acceptance;
    report_.bandwidth = timer_.copy_bandwidth(options_.bandwidth_bytes);
    if (options_.fit) model_.layers = fitting_layers();
    time_steps();
    if (!options_.steps_only) trace_steps();
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::vector<StepShape> shapes() const {
    std::vector<StepShape> shapes;
    for (const int context : options_.contexts) {
      for (const int batch : options_.batches) {
        for (const int drafts : options_.drafts) {
          shapes.push_back({batch, context, options_.fp8_rows, drafts});
        }
      }
    }
    return shapes;
  }

  [[nodiscard]] int fitting_layers() const {
    int devices = 1;
    if (model_.others == Others::kRanks) devices = model_.tp;
    if (model_.others == Others::kPlayed) devices = 2;
    return layers_that_fit(model_, shapes(), free_device_memory(devices));
  }

  void time_steps() {
    const Stopwatch stopwatch;
    bench_ = model_.others == Others::kNone ? make_step_bench(model_, timer_.stream())
                                            : make_step_team(model_, timer_.stream());
    options_.on_progress(
        fmt::format("{}: {:.2f} GB of weights made in {:.2f} s\n", model_.name_or_file,
                    static_cast<double>(bench_->weight_bytes()) * 1e-9, stopwatch.seconds()));
    report_.model = model_;
    report_.layers = bench_->layers();
    report_.weight_bytes = bench_->weight_bytes();
    for (const StepShape& shape : shapes()) report_.steps.push_back(time_step(*bench_, shape));
  }

  StepResult time_step(StepBench& bench, const StepShape& shape) {
    StepResult result;
    result.shape = shape;
    try {
      bench.set_shape(shape);
    } catch (const InvalidArgument& error) {
      // One shape of several: the others are measured all the same.
      if (shapes().size() == 1) throw;
      result.left_out = error.what();
      outputs_.emplace_back();
      return result;
    }
    result.launches = bench.launches();
    result.pdl_off = time_step(bench, false);
    StepOutput without_pdl = bench.output();
    require_finite(without_pdl);
    result.pdl_on = time_step(bench, true);
    require_same(without_pdl, bench.output(), "a step with PDL");
    outputs_.push_back(std::move(without_pdl));
    result.memory = bench.memory();
    return result;
  }

  Timing time_step(StepBench& bench, bool pdl) {
    return timer_.measure_second(
        [&](cudaStream_t stream) { bench.enqueue({.stream = stream, .pdl = pdl}); },
        [&] { bench.reset(1); }, options_.replays);
  }

  void trace_steps() {
    for (size_t i = 0; i < report_.steps.size(); ++i) {
      StepResult& step = report_.steps[i];
      if (!step.left_out.empty()) continue;
      bench_->set_shape(step.shape);
      step.traced_off = team_times(trace(false), step.launches).ranks.front().launches;
      require_same(outputs_[i], bench_->output(), "a traced step");
      const StepTrace with_pdl = trace(true);
      step.stamps = stamps_by_launch(with_pdl.steps.back().front(), step.launches);
      TeamTimes team = team_times(with_pdl, step.launches);
      require_same(outputs_[i], bench_->output(), "a traced step with PDL");
      step.traced_on = team.ranks.front().launches;
      if (team.ranks.size() > 1) step.team = std::move(team);
    }
  }

  [[nodiscard]] StepTrace trace(bool pdl) {
    return bench_->trace(pdl, std::min(options_.replays, kMaxTracedSteps));
  }

  const DecodeBenchOptions& options_;
  BenchModel model_;
  GraphTimer timer_;
  std::unique_ptr<StepBench> bench_;
  DecodeReport report_;
  std::vector<StepOutput> outputs_;  // of each shape, without PDL
};

}  // namespace

DecodeReport measure_decode(const DecodeBenchOptions& options) {
  return DecodeBench(options).run();
}

}  // namespace slipstream::bench
