// Writes tiny checkpoints in the published layouts, for tests and for trying things out.

#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/command.h"
#include "model/tiny/tiny_checkpoint.h"
#include "slipstream/error.h"

namespace {

using namespace slipstream::model::tiny;

// KEY=JSON settings as one JSON object.
std::string changes_of(const std::vector<std::string>& settings) {
  std::string changes;
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      throw slipstream::InvalidArgument(
          fmt::format("--set must be KEY=JSON, as in hidden_size=512, is {}", setting));
    }
    changes += fmt::format("{}\"{}\": {}", changes.empty() ? "" : ", ", setting.substr(0, equals),
                           setting.substr(equals + 1));
  }
  return "{" + changes + "}";
}

struct Options {
  std::string directory;
  std::vector<std::string> names;
  std::vector<std::string> settings;
};

int write_checkpoints(Options options) {
  if (options.names.empty()) {
    for (const TinySpec& spec : tiny_specs()) options.names.push_back(spec.name);
  }
  const std::string changes = changes_of(options.settings);
  for (const std::string& name : options.names) {
    const std::string target = (std::filesystem::path(options.directory) / name).string();
    write_tiny_checkpoint(with_changes(tiny_spec(name), name, changes), target);
    fmt::print("{}\n", target);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const slipstream::cli::CommandLine line(
      "Write tiny random checkpoints in the published layouts, the same bytes everywhere.");
  const slipstream::cli::Command program = line.program();
  Options options;
  program.add_option("OUT_DIR", options.directory, "one directory per checkpoint is made in it")
      .required();
  program.add_option("NAME", options.names, "which ones (default: all)");
  program.add_option("--set", options.settings,
                     "KEY=JSON: another value in config.json, so other shapes");
  program.set_action([&options] { return write_checkpoints(options); });
  return line.run(argc, argv);
}
