// Records what a GPU makes of tensor maps and copies by them, or replays a recording and compares.
//
//   record_tensor_copies --record FILE      on a GPU
//   record_tensor_copies --replay FILE      on the GPU or, by library path, on the emulated device
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <set>
#include <stdexcept>

#include "cli/command.h"
#include "run_isolated.h"
#include "vector_file.h"

namespace slipstream::record_tensor_copies {
namespace {

using record_vectors::RecordedForm;
using record_vectors::VectorFile;

struct Options {
  std::string record_path;
  std::string replay_path;
  std::string only;
  unsigned shown = 3;
};

std::string describe_device() {
  cudaDeviceProp properties{};
  int driver = 0;
  if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess ||
      cudaDriverGetVersion(&driver) != cudaSuccess) {
    throw std::runtime_error("there is no device");
  }
  return fmt::format("{}, driver for CUDA {}.{}", properties.name, driver / 1000,
                     driver % 1000 / 10);
}

std::vector<Case> chosen_cases(const std::string& only) {
  std::vector<Case> cases = all_cases();
  std::set<std::string> names;
  for (const Case& one : cases) {
    if (!names.insert(one.name).second)
      throw std::runtime_error(fmt::format("there are two cases '{}'", one.name));
  }
  std::erase_if(cases, [&](const Case& one) { return one.name.find(only) == std::string::npos; });
  return cases;
}

// Most of memory stays as it was, and equal bytes compress well: what is kept is the difference.
Bytes difference(const Case& one, const Bytes& bytes, uint32_t seed) {
  const Bytes before = initial_bytes(one, bytes.size(), seed);
  Bytes result(bytes.size());
  std::transform(bytes.begin(), bytes.end(), before.begin(), result.begin(), std::bit_xor<>());
  return result;
}

RecordedForm packed(const Case& one, const Outcome& outcome) {
  const std::array<uint32_t, 3> numbers = {outcome.encoded, outcome.error, outcome.completed};
  Bytes header(sizeof(numbers));
  std::memcpy(header.data(), numbers.data(), sizeof(numbers));
  return {{},
          {header, difference(one, outcome.shared, kSharedSeed),
           difference(one, outcome.tensor, kTensorSeed)}};
}

Outcome unpacked(const Case& one, const RecordedForm& form) {
  if (form.results.size() != 3 || form.results[0].size() != sizeof(std::array<uint32_t, 3>)) {
    throw std::runtime_error(
        fmt::format("the recording of '{}' is none of a tensor copy", one.name));
  }
  std::array<uint32_t, 3> numbers{};
  std::memcpy(numbers.data(), form.results[0].data(), sizeof(numbers));
  return {numbers[0], numbers[1], numbers[2], difference(one, form.results[1], kSharedSeed),
          difference(one, form.results[2], kTensorSeed)};
}

int record(const Options& options) {
  const std::vector<Case> cases = chosen_cases(options.only);
  const std::vector<Outcome> outcomes = run_isolated(cases);
  VectorFile file;
  file.count = 1;
  for (size_t i = 0; i < cases.size(); ++i)
    file.forms[cases[i].name] = packed(cases[i], outcomes[i]);
  file.device = describe_device();  // last: from here on this process uses CUDA itself
  write_vector_file(options.record_path, file);
  fmt::print("recorded {} cases on {}\n", cases.size(), file.device);
  return 0;
}

// --- Comparing.

std::string differences(const char* what, const Bytes& expected, const Bytes& found,
                        unsigned shown) {
  if (expected == found) return {};
  if (expected.size() != found.size()) {
    return fmt::format("; {} has {} bytes instead of {}", what, found.size(), expected.size());
  }
  std::string text;
  size_t count = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == found[i] || ++count > shown) continue;
    text += fmt::format(", {:02x} instead of {:02x} at {}", found[i], expected[i], i);
  }
  return fmt::format("; {} differs in {} bytes{}", what, count, text);
}

// Where more bytes come than were announced, a phase may end in between or not, as their packets happen to arrive.
bool completion_is_certain(const Case& one) { return one.announced >= one.moved; }

std::string compare(const Case& one, const Outcome& expected, const Outcome& found,
                    unsigned shown) {
  std::string text;
  const auto number = [&](const char* what, uint32_t before, uint32_t now) {
    if (before != now) text += fmt::format("; {} {} instead of {}", what, now, before);
  };
  number("encoding gives", expected.encoded, found.encoded);
  number("error", expected.error, found.error);
  if (completion_is_certain(one)) number("completed", expected.completed, found.completed);
  return text + differences("shared memory", expected.shared, found.shared, shown) +
         differences("the tensor", expected.tensor, found.tensor, shown);
}

int replay(const Options& options) {
  const VectorFile file = record_vectors::read_vector_file(options.replay_path);
  std::vector<Case> cases = chosen_cases(options.only);
  const size_t all = cases.size();
  std::erase_if(cases, [&](const Case& one) { return !file.forms.contains(one.name); });
  const std::vector<Outcome> outcomes = run_isolated(cases);
  size_t different = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Outcome expected = unpacked(cases[i], file.forms.at(cases[i].name));
    const std::string text = compare(cases[i], expected, outcomes[i], options.shown);
    if (text.empty()) continue;
    ++different;
    fmt::print("{}: {}\n", cases[i].name, text.substr(2));
  }
  fmt::print("recorded on {}: {} cases replayed, {} different, {} not recorded\n", file.device,
             cases.size(), different, all - cases.size());
  return different == 0 && !cases.empty() ? 0 : 1;
}

int run(const Options& options) {
  if (!options.record_path.empty()) return record(options);
  if (options.replay_path.empty())
    throw std::runtime_error("one of --record and --replay must be given");
  return replay(options);
}

int run_program(int argc, char** argv) {
  const cli::CommandLine line("Record and replay copies by tensor maps");
  const cli::Command program = line.program();
  Options options;
  const cli::Option record_option =
      program.add_option("--record", options.record_path, "Write a recording of this GPU");
  program.add_option("--replay", options.replay_path, "Compare with a recording")
      .excludes(record_option);
  program.add_option("--only", options.only, "Only cases whose name contains this");
  program.add_option("--show", options.shown, "Differing bytes to show per case");
  program.set_action([&options] { return run(options); });
  return line.run(argc, argv);
}

}  // namespace
}  // namespace slipstream::record_tensor_copies

int main(int argc, char** argv) {
  try {
    return slipstream::record_tensor_copies::run_program(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "record_tensor_copies: {}\n", error.what());
    return 1;
  }
}
