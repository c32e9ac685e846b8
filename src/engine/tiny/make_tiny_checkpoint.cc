// Writes tiny checkpoints in the published layouts, for tests and for trying things out.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "engine/tiny/tiny_checkpoint.h"
#include "slipstream/error.h"

namespace {

using namespace slipstream::engine::tiny;

// KEY=JSON settings as one JSON object.
std::string changes_of(const std::vector<std::string>& settings) {
  std::string changes;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      throw slipstream::InvalidArgument(
          fmt::format("--set must be KEY=JSON, as in hidden_size=512, is {}", setting));
    }
    changes += fmt::format("{}\"{}\": {}", changes.empty() ? "" : ", ", setting.substr(0, equals),
                           setting.substr(equals + 1));
  }
  return "{" + changes + "}";
}

// Parses, writes, and lets errors pass.
int run(int argc, char** argv) {
  CLI::App app(
      "Write tiny random checkpoints in the published layouts, the same bytes everywhere.");
  std::string directory;
  std::vector<std::string> names;
  std::vector<std::string> settings;
  app.add_option("OUT_DIR", directory, "one directory per checkpoint is made in it")->required();
  app.add_option("NAME", names, "which ones (default: all)");
  app.add_option("--set", settings, "KEY=JSON: another value in config.json, so other shapes")
      ->take_all();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (names.empty()) {
    for (const TinySpec& spec : tiny_specs()) names.push_back(spec.name);
  }
  const std::string changes = changes_of(settings);
  for (const std::string& name : names) {
    const std::string target = (std::filesystem::path(directory) / name).string();
    write_tiny_checkpoint(with_changes(tiny_spec(name), name, changes), target);
    fmt::print("{}\n", target);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_tiny_checkpoint: %s\n", error.what());
    return 1;
  }
}
