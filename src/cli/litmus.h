// `slipstream litmus`: what this device does where the documents of PDL are silent, and where not.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "litmus/rig.h"

namespace slipstream::cli {

struct LitmusOptions {
  std::vector<std::string> names;  // of experiments; none: all
  litmus::RigOptions rig;
  std::string json_file;
  bool list = false;
};

// Runs experiments and prints what was observed. 0: nothing that documents rule out was seen;
// 1: something was; 2: unknown name, or the device hung.
int run_litmus(const LitmusOptions& options);

void add_litmus_command(const Command& program);

}  // namespace slipstream::cli
