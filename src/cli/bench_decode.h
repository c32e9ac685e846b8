// `slipstream bench decode`: a decode step of a full-size model, and what each launch takes of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace slipstream::cli {

struct BenchDecodeOptions {
  std::string model;  // a released model's name, or a config.json file
  int layers = 0;
  bool fit = false;  // as many layers as the GPUs hold
  int tp = 8;
  bool alone = false;        // even where there are GPUs for all ranks
  bool echo = false;         // it stands for all ranks
  std::optional<int> peers;  // ranks besides this one, all played by one GPU
  std::vector<int> batches{1};
  std::vector<int> contexts{8192};
  std::vector<int> drafts{0};
  std::vector<double> acceptance;
  double common_experts = 0;
  std::string draft_head = "fp8";
  std::string kv = "bf16";
  int replays = 30;
  int bandwidth_megabytes = 1024;
  bool steps_only = false;
  std::string json_file;
  std::string trace_file;
  std::string stamps_file;
};

// Throws Error where logits are not finite, or differ between PDL off and on.
void run_bench_decode(const BenchDecodeOptions& options);

void add_bench_decode_command(const Command& bench);

}  // namespace slipstream::cli
