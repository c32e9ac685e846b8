// Records what a GPU computes for each instruction form, or replays a recording and compares.
//
//   record_vectors --record FILE      on a GPU; --only TEXT and --not-in FOLDER choose forms
//   record_vectors --replay FILE      anywhere: on the GPU or, where there is none, on the emulator
#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "cli/command.h"
#include "emulated_runner.h"
#include "gpu_runner.h"
#include "inputs.h"
#include "pdl/device_fallback.h"
#include "replay.h"

namespace slipstream::record_vectors {
namespace {

RecordedForm record_form(const Form& form, unsigned count) {
  RecordedForm recorded;
  unsigned position = 0;
  for (const std::string& type : split_words(form.operands)) {
    recorded.operands.push_back(make_operands(type, position++, count));
  }
  recorded.results = run_on_gpu(form, recorded.operands, count);
  return recorded;
}

struct Options {
  std::string record_path;
  std::string replay_path;
  std::string recorded;  // folder
  ReplayOptions replay;
  unsigned count = 1024;
};

// Forms that a recording in the folder has.
std::set<std::string> recorded_forms(const std::string& folder) {
  std::set<std::string> texts;
  if (folder.empty()) return texts;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".zst") continue;
    for (const auto& [text, form] : read_vector_file(entry.path()).forms) texts.insert(text);
  }
  return texts;
}

// One that fails is left out.
int record(const Options& options) {
  const std::set<std::string> others = recorded_forms(options.recorded);
  VectorFile file;
  file.device = describe_gpu();
  file.count = options.count;
  size_t failed = 0;
  for (const Form& form : all_forms()) {
    if (std::strstr(form.text, options.replay.only.c_str()) == nullptr ||
        others.contains(form.text))
      continue;
    try {
      file.forms[form.text] = record_form(form, file.count);
    } catch (const std::exception& error) {
      fmt::print("FAILED {}\n", error.what());
      file.forms.erase(form.text);
      reset_gpu();
      ++failed;
    }
  }
  write_vector_file(options.record_path, file);
  fmt::print("recorded {} forms with {} vectors each on {}; {} failed\n", file.forms.size(),
             file.count, file.device, failed);
  return failed == 0 ? 0 : 1;
}

int replay_file(const std::string& path, const ReplayOptions& options) {
  const VectorFile file = read_vector_file(path);
  const bool on_gpu = machine_has_gpu();
  fmt::print("replaying on {}\n", on_gpu ? describe_gpu() : "the emulator");
  const ReplayReport report = replay(file, on_gpu ? run_on_gpu : run_emulated, options);
  for (const std::string& finding : report.findings) fmt::print("{}\n", finding);
  fmt::print("{}\n", describe(report, file));
  return report.passed() ? 0 : 1;
}

int record_or_replay(const Options& options) {
  if (options.count == 0 || options.count % kThreads != 0) {
    throw std::runtime_error(
        fmt::format("--count must be a multiple of {}, not {}", kThreads, options.count));
  }
  if (!options.record_path.empty()) return record(options);
  if (options.replay_path.empty()) {
    throw std::runtime_error("one of --record and --replay must be given");
  }
  return replay_file(options.replay_path, options.replay);
}

int run_program(int argc, char** argv) {
  const cli::CommandLine line("Record and replay the results of single PTX instructions");
  const cli::Command program = line.program();
  Options options;
  const cli::Option record_option =
      program.add_option("--record", options.record_path, "Write a recording of this GPU");
  program.add_option("--replay", options.replay_path, "Compare with a recording")
      .excludes(record_option);
  program.add_option("--count", options.count, "Vectors per form, a multiple of 256");
  program.add_option("--only", options.replay.only, "Only forms whose text contains this");
  program.add_option("--not-in", options.recorded,
                     "Only forms that no recording in this folder has");
  program.add_option("--show", options.replay.shown, "Differences to show per form");
  program.set_action([&options] { return record_or_replay(options); });
  return line.run(argc, argv);
}

}  // namespace
}  // namespace slipstream::record_vectors

int main(int argc, char** argv) {
  try {
    return slipstream::record_vectors::run_program(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "record_vectors: {}\n", error.what());
    return 1;
  }
}
