#include "cli/demo.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "bench/device_report.h"
#include "bench/stopwatch.h"
#include "engine/inspection.h"
#include "model/matrix.h"
#include "model/tiny/golden.h"
#include "model/tiny/tiny_checkpoint.h"
#include "pdl/stream.h"
#include "slipstream/engine.h"
#include "slipstream/launch.h"

namespace slipstream::cli {
namespace {

using engine::Engine;
using engine::SequenceId;
using model::Matrix;
using model::tiny::Golden;
using model::tiny::GoldenPrompt;

constexpr int kCacheTokens = 320;  // the longest prompt and its continuation
constexpr int kTimedTokens = 200;
constexpr double kQuickStepSeconds = 5e-3;  // slower ones are emulated and not timed

// What one engine, with or without PDL, answered to the prompts.
struct Pass {
  std::vector<Matrix> logits;
  int layers = 0;
  int launches = 0;          // of a step of one token
  int early = 0;             // of these, launched by PDL
  double token_seconds = 0;  // 0: not timed
};

struct Outcome {
  std::string model;
  Pass off;
  Pass on;
  int tokens = 0;
  int equal_tokens = 0;
  double cosine = 0;        // with the exact logits, mean over prompts
  double least_cosine = 0;  // what a right engine reaches
  double agreement = 0;
  double least_agreement = 0;

  [[nodiscard]] bool same_bits() const {
    return std::ranges::equal(off.logits, on.logits, [](const Matrix& a, const Matrix& b) {
      return a.values().size() == b.values().size() &&
             std::memcmp(a.values().data(), b.values().data(), a.values().size() * sizeof(float)) ==
                 0;
    });
  }
  [[nodiscard]] bool is_right() const {
    return cosine >= least_cosine && agreement >= least_agreement && same_bits();
  }
};

int largest(std::span<const float> row) {
  return static_cast<int>(std::ranges::max_element(row) - row.begin());
}

std::span<const GoldenPrompt> shown(const DemoOptions& options, const Golden& golden) {
  const auto& prompts = golden.prompts();
  return std::span(prompts).first(std::min(prompts.size(), static_cast<size_t>(options.prompts)));
}

// Shows a row of logits along a golden continuation as soon as it is there.
using OnRow = std::function<void(const GoldenPrompt&, int row, std::span<const float> logits)>;

// Logits along the golden continuation of a prompt.
Matrix follow(Engine& engine, const GoldenPrompt& prompt, const OnRow& on_row) {
  const SequenceId sequence = engine.create_sequence();
  const auto step = [&](const std::vector<int>& ids, int first) {
    (void)engine.prefill(sequence, ids);
    Matrix last(1, engine.vocab_size());
    last.values() = engine.logits(sequence);
    // Row 0 follows the whole prompt.
    const int row = first + static_cast<int>(ids.size()) - static_cast<int>(prompt.ids.size());
    if (row >= 0) on_row(prompt, row, last.values());
    return last;
  };
  Matrix logits = model::tiny::teacher_forced_logits(prompt, engine::kMaxStepTokens, step);
  engine.free(sequence);
  return logits;
}

// Consecutive steps, without the host between them.
double seconds_per_token(Engine& engine, int tokens) {
  const std::array sequence{engine.create_sequence()};
  (void)engine.prefill(sequence.front(), std::array{1});
  const bench::Stopwatch stopwatch;
  engine.run(sequence, tokens, [](std::span<const int>) { return true; });
  const double seconds = stopwatch.seconds() / tokens;
  engine.free(sequence.front());
  return seconds;
}

Pass run_pass(const std::string& directory, std::span<const GoldenPrompt> prompts, bool pdl,
              const OnRow& on_row) {
  pdl::set_enabled(pdl);
  const pdl::Stream stream;
  Engine engine = Engine::load(
      directory, {.stream = stream.get(), .cache_tokens = kCacheTokens, .max_sequences = 1});
  Pass pass;
  for (const GoldenPrompt& prompt : prompts) {
    pass.logits.push_back(follow(engine, prompt, on_row));
  }
  pass.layers = engine.num_hidden_layers();
  pass.launches = engine::Inspection(engine).launches_per_step(1);
  pass.early = engine::Inspection(engine).early_launches_per_step(1);
  if (seconds_per_token(engine, 1) < kQuickStepSeconds) {
    pass.token_seconds = seconds_per_token(engine, kTimedTokens);
  }
  pdl::set_enabled(std::nullopt);
  return pass;
}

std::string ids_text(std::span<const int> ids) {
  constexpr size_t kMost = 24;
  if (ids.size() <= kMost) return fmt::format("{}", fmt::join(ids, " "));
  return fmt::format("{} ... ({} tokens)", fmt::join(ids.first(kMost), " "), ids.size());
}

void show(const std::string& text) {
  fmt::print("{}", text);
  std::fflush(stdout);
}

// The token that the engine prefers, in brackets if it is not the golden one.
void show_token(const GoldenPrompt& prompt, int row, std::span<const float> logits) {
  if (row == 0) {
    show(fmt::format("  prompt      {}\n  golden      {}\n  slipstream ", ids_text(prompt.ids),
                     ids_text(prompt.continuation)));
  }
  const int token = largest(logits);
  const bool equal = token == largest(prompt.logits.row(row));
  show(equal ? fmt::format(" {}", token) : fmt::format(" [{}]", token));
  if (row + 1 == prompt.logits.rows()) show("\n");
}

// For the second pass over the same prompts, whose tokens need not be shown again.
void show_dot(const GoldenPrompt& /*prompt*/, int /*row*/, std::span<const float> /*logits*/) {
  show(".");
}

void judge(std::span<const GoldenPrompt> prompts, const model::tiny::GoldenLimits& limits,
           Outcome& outcome) {
  const auto count = static_cast<double>(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const GoldenPrompt& prompt = prompts[i];
    const Matrix& logits = outcome.on.logits[i];
    for (int row = 0; row < logits.rows(); ++row) {
      ++outcome.tokens;
      if (largest(logits.row(row)) == largest(prompt.logits.row(row))) ++outcome.equal_tokens;
    }
    outcome.cosine += model::tiny::mean_cosine(logits, prompt.logits) / count;
    outcome.agreement += model::tiny::argmax_agreement(logits, prompt.logits) / count;
    outcome.least_cosine += prompt.engine_cosine_mean / count;
    outcome.least_agreement += prompt.engine_argmax_agreement / count;
  }
  outcome.least_cosine -= limits.cosine_drop;
  outcome.least_agreement -= limits.argmax_drop;
}

Outcome run_model(const DemoOptions& options, const std::string& name) {
  show(name + "\n");
  const std::string directory = (std::filesystem::path(options.directory) / name).string();
  write_tiny_checkpoint(model::tiny::tiny_spec(name), directory);
  const Golden golden(options.goldens, name);
  const std::span<const GoldenPrompt> prompts = shown(options, golden);
  Outcome outcome;
  outcome.model = name;
  outcome.on = run_pass(directory, prompts, /*pdl=*/true, show_token);
  show("  without PDL ");
  outcome.off = run_pass(directory, prompts, /*pdl=*/false, show_dot);
  show(outcome.same_bits() ? " the same bits\n" : " OTHER BITS\n");
  judge(prompts, golden.limits(), outcome);
  return outcome;
}

std::string times_text(const Outcome& outcome) {
  if (outcome.on.token_seconds == 0 || outcome.off.token_seconds == 0) return "not timed";
  return fmt::format("{:.3f}, {:.3f}", outcome.off.token_seconds * 1e3,
                     outcome.on.token_seconds * 1e3);
}

void print_outcomes(std::span<const Outcome> outcomes) {
  fmt::print("\n{:<19}{:>14}{:>20}{:>10}{:>9}{:>8}{:>13}{:>16}\n", "model", "golden tokens",
             "cosine (at least)", "launches", "a layer", "by PDL", "PDL off, on", "ms off, on");
  for (const Outcome& outcome : outcomes) {
    const Pass& on = outcome.on;
    fmt::print("{:<19}{:>14}{:>20}{:>10}{:>9.1f}{:>8}{:>13}{:>16}\n", outcome.model,
               fmt::format("{} of {}", outcome.equal_tokens, outcome.tokens),
               fmt::format("{:.5f} ({:.5f})", outcome.cosine, outcome.least_cosine), on.launches,
               static_cast<double>(on.launches) / on.layers, on.early,
               outcome.same_bits() ? "same bits" : "DIFFERENT", times_text(outcome));
  }
}

constexpr const char* kIntroduction = R"(
Three tiny models with random weights. Golden tokens are those that Hugging Face transformers prefers,
in fp32 on the dequantized weights. Random weights leave many near ties, so a correct engine with fp8
activations prefers another token now and then, shown in brackets.

)";

constexpr const char* kExplanation = R"(
cosine       of the logits with those of transformers, and the least that a correct engine reaches
launches     kernels in the CUDA graph of a step of one token; a layer: all of them divided by the layers
by PDL       of these, launches that may start while the one before still runs; without PDL there are
             none, every kernel waits for the end of the one before it, and the bits stay the same
ms off, on   milliseconds per token, on a GPU
)";

}  // namespace

int run_demo(const DemoOptions& options) {
  fmt::print("device: {}\n{}", bench::device_summary(), kIntroduction);
  std::vector<Outcome> outcomes;
  for (const std::string& name : model::tiny::golden_names()) {
    outcomes.push_back(run_model(options, name));
  }
  print_outcomes(outcomes);
  fmt::print("{}\n", kExplanation);
  const bool right = std::ranges::all_of(outcomes, &Outcome::is_right);
  fmt::print("{}\n", right ? "All models agree with their goldens."
                           : "NOT all models agree with their goldens.");
  fmt::print("Their checkpoints are in {}, for `slipstream generate`.\n", options.directory);
  return right ? 0 : 1;
}

void add_demo_command(const Command& program) {
  auto options = std::make_shared<DemoOptions>();
  const Command command = program.add_command(
      "demo", "Decode three tiny models, compare with stored goldens, and show what PDL did.");
  command.add_option("GOLDENS", options->goldens, "Directory of the goldens: tests/engine/goldens")
      .required();
  command.add_option("DIRECTORY", options->directory, "Where the models' checkpoints go")
      .required();
  command.add_option("--prompts", options->prompts, "Prompts of each model")
      .between(1, 4)
      .default_in_help();
  command.set_device_action([options] { return run_demo(*options); });
}

}  // namespace slipstream::cli
