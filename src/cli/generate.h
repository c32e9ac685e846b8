// `slipstream generate`: tokens from a checkpoint, and single layers of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "model/config.h"

namespace slipstream::cli {

struct GenerateOptions {
  std::string model;
  std::string prompt_ids;
  std::string prompt_file;
  std::string force_ids;
  std::optional<int> count;
  float temperature = 0;
  int top_k = 0;
  float top_p = 1;
  uint64_t seed = 0;
  bool ignore_eos = false;
  std::string drafts = "0";  // a number of them, or auto
  std::string draft_head = "fp8";
  bool allow_nonfinite = false;  // NaN and infinite results are no error
  std::string pdl;               // on or off; empty: as the environment says
  std::string kv = "bf16";
  int tp = 1;
  std::optional<int> rank;  // this share of `tp` alone
  double poll_limit = 10;
  double step_limit = 0;  // 0: none
  bool trace_launches = false;
  double timeout_seconds = 0;  // of the command as a whole; 0: none
  std::string log;             // a level; empty: as the environment says
  std::optional<float> lora_norm_eps;
  std::string logits_file;
  std::string json_file;  // as JsonOutput takes it
  std::string layer_in;
  std::string layer_out;
  std::optional<int> layer;
};

// Token ids separated by commas or white space. Throws InvalidArgument naming `source` and what is
// not an id.
[[nodiscard]] std::vector<int> parse_ids(const std::string& text, const std::string& source);

// The prompt of --prompt-ids or --prompt-file: exactly one of them.
[[nodiscard]] std::vector<int> read_prompt(const GenerateOptions& options);

// How many tokens to produce: -n, else as many as --force-ids names, else 16. Throws
// InvalidArgument if both are given and -n is larger.
[[nodiscard]] int token_count(const GenerateOptions& options, size_t forced);

// Drafts of a step.
struct DraftRequest {
  int most = 0;
  bool is_adaptive = false;
};

// What --drafts says. Throws InvalidArgument if it is neither a number nor auto.
[[nodiscard]] DraftRequest drafts_of(const GenerateOptions& options);

// What to generate.
struct TokenRequest {
  std::vector<int> prompt;
  std::vector<int> forced;  // the continuation to follow; empty: the sampled one
  int count = 0;            // tokens to produce

  // Positions that it needs: the last token is not processed.
  [[nodiscard]] int64_t positions() const {
    return static_cast<int64_t>(prompt.size()) + count - 1;
  }
};

// Reads and checks everything that the options say about tokens, against the model's config alone:
// a mistake is found before weights are loaded. Throws InvalidArgument.
[[nodiscard]] TokenRequest read_request(const GenerateOptions& options,
                                        const model::ModelConfig& config);

// The config of options.model.
[[nodiscard]] model::ModelConfig read_config(const GenerateOptions& options);

void run_generate(const GenerateOptions& options);

void add_generate_command(const Command& program);

}  // namespace slipstream::cli
