// `slipstream litmus`: how this device orders dependent grids, compared with the documents of PDL.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "litmus/rig.h"

namespace slipstream::cli {

struct LitmusOptions {
  std::vector<std::string> names;  // of experiments; none: all
  litmus::RigOptions rig;
  std::string json_file;  // as JsonOutput takes it
  bool list = false;
};

// Runs experiments and prints what was observed. 0: nothing was seen that the documents rule out;
// kFound: something was; kDevice: the device hung. Throws for an unknown name.
int run_litmus(const LitmusOptions& options);

void add_litmus_command(const Command& program);

}  // namespace slipstream::cli
