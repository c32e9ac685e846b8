// Tokens of one sequence, as they come.
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "bench/stopwatch.h"
#include "cli/finite.h"
#include "cli/generate_engine.h"
#include "cli/json_output.h"
#include "engine/ranks/near_cpus.h"
#include "io/file.h"
#include "io/json_writer.h"
#include "model/safetensors.h"
#include "pdl/stream.h"
#include "slipstream/launch.h"
#include "slipstream/log.h"

namespace slipstream::cli {
namespace {

using engine::Engine;
using engine::SequenceId;
using model::OutputTensor;

constexpr int kStepsBetweenLooks = 32;

struct Measured {
  std::vector<int> tokens;
  double first_token_seconds = 0;
  double other_seconds = 0;  // all tokens after the first
};

// Produces the tokens of one sequence and hands each to `on_token`, which returns false to stop.
class Generation {
 public:
  Generation(const GenerateOptions& options, const TokenRequest& request, Engine& engine)
      : engine_(engine),
        request_(request),
        eos_(options.ignore_eos ? std::vector<int>{} : engine.eos_token_ids()),
        keep_logits_(!options.logits_file.empty()),
        drafts_(drafts_of(options).most > 0),
        show_(JsonOutput(options.json_file).prints_text()),
        sequence_(engine.create_sequence(sampling_of(options))) {}

  Measured run() {
    const bench::Stopwatch until_first;
    bool more = take(engine_.prefill(sequence_, request_.prompt));
    measured_.first_token_seconds = until_first.seconds();
    look_at_logits();
    const bench::Stopwatch others;
    if (is_forced() || keep_logits_) {
      while (more) more = take(engine_.step(std::array{sequence_}).front());
    } else if (more) {
      // With drafts they may choose more than are asked for, and the last token's logits are gone then:
      // it gets a step of its own.
      more = run_ahead(request_.count - (drafts_ ? 2 : 1));
      if (more) {
        engine_.force(sequence_, measured_.tokens.back());
        (void)take(engine_.step(std::array{sequence_}).front());
      }
    }
    measured_.other_seconds = others.seconds();
    // Where the run was cut short the device has moved on, and its logits are of nobody.
    const bool has_logits = !stopped_ || is_forced() || keep_logits_;
    if (measured_.tokens.size() > 1 && has_logits) look_at_logits();
    return measured_;
  }

  [[nodiscard]] const std::vector<float>& logits() const { return logits_; }
  [[nodiscard]] const FiniteCheck& finite() const { return finite_; }

 private:
  // The host only watches: steps are enqueued ahead of the tokens' arrival. Returns whether there are
  // more to come. A run with drafts is in one piece: logits of its last token may be gone.
  bool run_ahead(int count) {
    bool more = true;
    while (count > 0 && more) {
      const int steps = drafts_ ? count : std::min(count, kStepsBetweenLooks);
      engine_.run(std::array{sequence_}, steps,
                  [&](std::span<const int> tokens) { return more = take(tokens.front()); });
      count -= steps;
      if (count > 0 && more) look_at_logits();
    }
    return more;
  }

  [[nodiscard]] bool is_forced() const { return !request_.forced.empty(); }

  // Records the token that follows the last processed one; false if it is the last.
  bool take(int token) {
    const size_t index = measured_.tokens.size();
    if (keep_logits_) {
      const std::vector<float> row = engine_.logits(sequence_);
      logits_.insert(logits_.end(), row.begin(), row.end());
      finite_.look_at(row, static_cast<int64_t>(index));
    }
    if (is_forced()) token = request_.forced[index];
    measured_.tokens.push_back(token);
    if (show_) {
      fmt::print("{}{}", index == 0 ? "" : " ", token);
      std::fflush(stdout);
    }
    const bool ended = !is_forced() && std::ranges::find(eos_, token) != eos_.end();
    const bool more = static_cast<int>(measured_.tokens.size()) < request_.count && !ended;
    if (more && is_forced()) engine_.force(sequence_, token);
    stopped_ = ended;
    return more;
  }

  // Of the first, the last, and without drafts of one in kStepsBetweenLooks tokens; --logits looks at all. What is
  // wrong with weights or caches shows there: NaN spreads. A look takes as long as a copy of the logits.
  void look_at_logits() {
    if (keep_logits_) return;
    finite_.look_at(engine_.logits(sequence_), static_cast<int64_t>(measured_.tokens.size()) - 1);
  }

  Engine& engine_;
  const TokenRequest& request_;
  std::vector<int> eos_;
  bool keep_logits_;
  bool drafts_;
  bool show_;
  SequenceId sequence_;
  Measured measured_;
  std::vector<float> logits_;
  FiniteCheck finite_{"logits", "token"};
  bool stopped_ = false;  // by an end-of-text token
};

double tokens_per_second(const Measured& measured) {
  const auto others = static_cast<double>(measured.tokens.size()) - 1;
  return others > 0 ? others / measured.other_seconds : 0;
}

// How often draft j + 1 was right if those before it were; of those that were judged.
std::vector<double> acceptance_of(const engine::DraftStatistics& drafts) {
  std::vector<double> result;
  for (size_t j = 0; j < drafts.checked.size() && drafts.checked[j] > 0; ++j) {
    result.push_back(static_cast<double>(drafts.accepted[j]) /
                     static_cast<double>(drafts.checked[j]));
  }
  return result;
}

void print_drafts(const engine::DraftStatistics& drafts) {
  if (drafts.steps == 0) return;
  fmt::print("drafts               {:.2f} tokens a step; right, if those before were: {:.2f}\n",
             drafts.mean_length(), fmt::join(acceptance_of(drafts), ", "));
}

void print_text(const Measured& measured, const engine::MemoryUse& memory, int ranks) {
  constexpr double kMebibyte = 1 << 20;
  fmt::print("\ntime to first token  {:.2f} ms\n", measured.first_token_seconds * 1e3);
  if (measured.tokens.size() > 1) {
    fmt::print("then                 {:.1f} tokens/s\n", tokens_per_second(measured));
  }
  fmt::print("memory               {:.1f} MiB weights, {:.1f} MiB caches, {:.1f} MiB workspace{}\n",
             static_cast<double>(memory.weight_bytes) / kMebibyte,
             static_cast<double>(memory.cache_bytes) / kMebibyte,
             static_cast<double>(memory.workspace_bytes) / kMebibyte,
             ranks == 1 ? "" : fmt::format(" on the first of {} GPUs", ranks));
}

io::Json json_of(const engine::DraftStatistics& drafts) {
  return {{"steps", drafts.steps},
          {"tokens", drafts.tokens},
          {"tokens_per_step", drafts.mean_length()},
          {"acceptance", io::Json::array_of(acceptance_of(drafts))}};
}

std::string json_of(const Measured& measured, const Engine& engine, int ranks) {
  const engine::MemoryUse memory = engine.memory_use();
  const io::Json json{{"tokens", io::Json::array_of(measured.tokens)},
                      {"ranks", ranks},
                      {"time_to_first_token_ms", measured.first_token_seconds * 1e3},
                      {"tokens_per_second", tokens_per_second(measured)},
                      {"drafts", json_of(engine.draft_statistics())},
                      {"memory",
                       {{"weight_bytes", memory.weight_bytes},
                        {"cache_bytes", memory.cache_bytes},
                        {"workspace_bytes", memory.workspace_bytes}}}};
  return json.text();
}

void print_progress(const engine::LoadProgress& progress) {
  constexpr double kGigabyte = 1e9;
  fmt::print(stderr, "slipstream: rank {}: {:.2f} of {:.2f} GB of weights loaded in {:.0f} s\n",
             progress.rank, static_cast<double>(progress.bytes) / kGigabyte,
             static_cast<double>(progress.total_bytes) / kGigabyte, progress.seconds);
}

void generate_tokens(const GenerateOptions& options, cudaStream_t stream) {
  const TokenRequest request = read_request(options, read_config(options));
  const engine::Ranks ranks = ranks_of(options);
  const JsonOutput json(options.json_file);
  if (is_first(ranks)) {
    json.require_writable();
    if (!options.logits_file.empty()) io::require_writable(options.logits_file);
  }
  const int drafts = drafts_of(options).most;
  const int64_t ahead = drafts == 0 ? 0 : engine::kMaxStepsOnTheirWay * (drafts + 1) + 2 * drafts;
  Engine engine = load_engine(options, stream, request.positions() + ahead);
  if (!is_first(ranks)) return engine.follow();
  // Now: the threads of other ranks would have been near this one's GPU, too.
  if (ranks.count > 1) engine::keep_thread_near_gpu();
  Generation generation(options, request, engine);
  const Measured measured = generation.run();
  if (!options.logits_file.empty()) {
    const auto steps = static_cast<int64_t>(measured.tokens.size());
    const auto width = static_cast<int64_t>(generation.logits().size()) / steps;
    const std::array tensors = {model::OutputTensor::of(
        "logits", {steps, width}, std::span<const float>(generation.logits()))};
    model::write_safetensors(options.logits_file, tensors);
  }
  if (json.prints_text()) {
    print_text(measured, engine.memory_use(), ranks.count);
    print_drafts(engine.draft_statistics());
  }
  if (json.wanted()) json.write(json_of(measured, engine, ranks.count));
  generation.finite().report(options.allow_nonfinite);
}

}  // namespace

engine::Ranks ranks_of(const GenerateOptions& options) {
  if (options.rank) return {};
  const std::optional<engine::Ranks> started = engine::Ranks::from_environment();
  if (!started) return engine::Ranks::threads(options.tp);
  if (options.tp != 1 && options.tp != started->count) {
    throw InvalidArgument(
        fmt::format("--tp must be WORLD_SIZE = {} or left out, is {}", started->count, options.tp));
  }
  return *started;
}

Engine load_engine(const GenerateOptions& options, cudaStream_t stream, int64_t cache_tokens) {
  const engine::Ranks ranks = ranks_of(options);
  const bool shares = ranks.count > 1;
  const DraftRequest drafts = drafts_of(options);
  Engine engine = Engine::load(
      options.model,
      {.stream = shares ? nullptr : stream,
       .kv_format = options.kv == "fp8" ? engine::KvFormat::kFp8 : engine::KvFormat::kBf16,
       .cache_tokens = cache_tokens,
       .max_sequences = 1,
       .drafts = drafts.most,
       .adaptive_drafts = drafts.is_adaptive,
       .fp8_draft_head = options.draft_head == "fp8",
       .ranks = ranks,
       .poll_limit = options.poll_limit,
       .on_progress = print_progress,
       .tp = shares ? 1 : options.tp,
       .rank = options.rank.value_or(0),
       .lora_norm_eps = options.lora_norm_eps,
       .step_limit = options.step_limit,
       .trace_launches = options.trace_launches});
  if (options.rank && options.tp > 1) {
    fmt::print(stderr, "slipstream: rank {} of {} alone: results are its partial sums\n",
               *options.rank, options.tp);
  }
  return engine;
}

void run_generate(const GenerateOptions& options) {
  if (!options.pdl.empty()) pdl::set_enabled(options.pdl == "on");
  if (!options.log.empty()) set_log_level(log_level_of(options.log));
  // Before anything touches another device: that would take memory there.
  if (const engine::Ranks ranks = ranks_of(options); ranks.process) {
    check_cuda(cudaSetDevice(ranks.process->device), "cudaSetDevice of LOCAL_RANK");
    engine::keep_thread_near_gpu();
  }
  const pdl::Stream stream;
  if (options.layer) {
    run_one_layer(options, stream.get());
  } else {
    generate_tokens(options, stream.get());
  }
}

}  // namespace slipstream::cli
