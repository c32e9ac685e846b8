// Replays the same steps of a tiny model again and again, with random delays after every trigger and
// wait of every kernel, and compares each step's logits with those of launches without PDL and delays,
// bit by bit. A piece of it fits into the time that one has a GPU for: each adds a line to a file, and
// add_up.py adds the lines up.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "io/json_writer.h"
#include "model/tiny/tiny_checkpoint.h"
#include "pdl/device_fallback.h"
#include "pdl/instrument/stamps.h"
#include "pdl/stream.h"
#include "slipstream/engine.h"
#include "slipstream/launch.h"
#include "slipstream/version.h"
#include "step/kernels/set.h"

namespace slipstream::replays {
namespace {

using engine::Engine;
using engine::SequenceId;
using Clock = std::chrono::steady_clock;
using Logits = std::vector<std::vector<float>>;

struct Options {
  std::string checkpoint = "deepseek-v32-tiny";
  std::string kv = "bf16";
  std::string add_to;
  int layers = 3;
  int steps = 32;   // of a sequence; then it begins anew
  int engines = 1;  // at the same time, each on a stream of its own
  double seconds = 60;
  uint64_t replays = 1'000'000;  // at most
};

struct Piece {
  uint64_t replays = 0;
  uint64_t different = 0;
  std::string first_difference;
  double seconds = 0;
};

// The model in a folder of its own.
class Checkpoint {
 public:
  explicit Checkpoint(const Options& options)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("slipstream-replays-{}", Clock::now().time_since_epoch().count())) {
    const auto& spec = model::tiny::tiny_spec(options.checkpoint);
    const std::string changes =
        fmt::format(R"({{"num_hidden_layers": {}, "index_topk": 8}})", options.layers);
    write_tiny_checkpoint(model::tiny::with_changes(spec, options.checkpoint, changes), path_);
  }
  ~Checkpoint() { std::filesystem::remove_all(path_); }
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  [[nodiscard]] std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Engine load(const Options& options, const std::string& directory, const pdl::Stream& stream,
            bool graphs) {
  return Engine::load(directory, {.stream = stream.get(),
                                  .kv_format = options.kv == "fp8" ? engine::KvFormat::kFp8
                                                                   : engine::KvFormat::kBf16,
                                  .cache_tokens = options.steps + 64,
                                  .max_sequences = 1,
                                  .graphs = graphs});
}

// A prompt, and then `steps` steps; `on_step` gets each one's logits and returns false to end.
template <class OnStep>
void decode(Engine& engine, int steps, const OnStep& on_step) {
  const SequenceId sequence = engine.create_sequence();
  std::vector<int> prompt(12);
  for (int i = 0; i < 12; ++i) prompt[i] = (i * 37 + 11) % engine.vocab_size();
  (void)engine.prefill(sequence, prompt);
  bool more = true;
  for (int step = 0; step < steps && more; ++step) {
    (void)engine.step(std::array{sequence});
    more = on_step(step, engine.logits(sequence));
  }
  engine.free(sequence);
}

// Launch by launch, one after the other.
Logits reference_of(const Options& options, const std::string& directory) {
  const pdl::Stream stream;
  pdl::set_stream_enabled(stream.get(), false);
  Engine engine = load(options, directory, stream, /*graphs=*/false);
  Logits result;
  decode(engine, options.steps, [&](int /*step*/, std::vector<float> logits) {
    result.push_back(std::move(logits));
    return true;
  });
  pdl::set_stream_enabled(stream.get(), std::nullopt);
  return result;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

uint64_t checksum(const Logits& all) {
  uint64_t sum = 14695981039346656037U;  // FNV-1a
  for (const std::vector<float>& logits : all) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(logits.data());
    for (size_t i = 0; i < logits.size() * sizeof(float); ++i) {
      sum = (sum ^ bytes[i]) * 1099511628211U;
    }
  }
  return sum;
}

// One engine's part of a piece.
Piece replay(const Options& options, const std::string& directory, const Logits& expected) {
  const pdl::Stream stream;
  pdl::set_stream_enabled(stream.get(), true);
  Engine engine = load(options, directory, stream, /*graphs=*/true);
  Piece piece;
  const Clock::time_point begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  const auto goes_on = [&] {
    return piece.replays < options.replays && elapsed() < options.seconds;
  };
  while (goes_on()) {
    decode(engine, options.steps, [&](int step, const std::vector<float>& logits) {
      ++piece.replays;
      if (!same_bits(logits, expected[step]) && piece.different++ == 0) {
        piece.first_difference = fmt::format("replay {}, step {}", piece.replays, step);
      }
      return goes_on();
    });
  }
  piece.seconds = elapsed();
  pdl::set_stream_enabled(stream.get(), std::nullopt);
  return piece;
}

// All engines share the kernels' delays and the replays out.
Piece replay_by_all(Options options, const std::string& directory, const Logits& expected) {
  step::kernels::switch_set(step::kernels::instrumented_set());
  const instrument::Delays delays;
  options.replays = (options.replays + options.engines - 1) / options.engines;
  std::vector<std::future<Piece>> parts;
  for (int engine = 0; engine < options.engines; ++engine) {
    parts.push_back(std::async(std::launch::async, replay, std::cref(options), std::cref(directory),
                               std::cref(expected)));
  }
  Piece piece;
  for (std::future<Piece>& future : parts) {
    const Piece part = future.get();
    piece.replays += part.replays;
    piece.different += part.different;
    if (piece.first_difference.empty()) piece.first_difference = part.first_difference;
    piece.seconds = std::max(piece.seconds, part.seconds);
  }
  return piece;
}

std::string device_name() {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  return properties.name;
}

// Whole lines only: pieces may be added at the same time.
void add_line(const std::string& file, const std::string& line) {
  std::ofstream out(file, std::ios::app);
  out << line + "\n" << std::flush;
  if (!out) throw Error(fmt::format("{}: cannot be written", file));
}

int run(const Options& options) {
  const Checkpoint checkpoint(options);
  const Logits expected = reference_of(options, checkpoint.path());
  const Piece piece = replay_by_all(options, checkpoint.path(), expected);
  const io::Json json{{"checkpoint", options.checkpoint},
                      {"layers", options.layers},
                      {"kv", options.kv},
                      {"steps", options.steps},
                      {"engines", options.engines},
                      {"device", device_name()},
                      {"commit", std::string(commit())},
                      {"reference", fmt::format("{:016x}", checksum(expected))},
                      {"replays", static_cast<int64_t>(piece.replays)},
                      {"different", static_cast<int64_t>(piece.different)},
                      {"first_difference", piece.first_difference},
                      {"seconds", piece.seconds}};
  // On one line.
  std::string line;
  for (const char letter : json.text()) {
    if (letter != '\n') line += letter;
  }
  fmt::print("{}\n", line);
  if (!options.add_to.empty()) add_line(options.add_to, line);
  return piece.different == 0 ? cli::kDone : cli::kFound;
}

}  // namespace
}  // namespace slipstream::replays

int main(int argc, char** argv) {
  using namespace slipstream;
  const cli::CommandLine line(
      "Replay the same steps of a tiny model with random delays in every kernel, and compare each "
      "step's logits with those without delays and PDL, bit by bit. add_up.py adds pieces up.");
  line.set_preparation([&](bool /*runs_kernels*/) { choose_device(argc, argv); });
  const cli::Command program = line.program();
  replays::Options options;
  program.add_option("--checkpoint", options.checkpoint, "a tiny model").default_in_help();
  program.add_option("--layers", options.layers, "of it").positive().default_in_help();
  program.add_option("--kv", options.kv, "latent cache").one_of({"bf16", "fp8"}).default_in_help();
  program.add_option("--steps", options.steps, "of a sequence, which then begins anew")
      .between(1, 4000)
      .default_in_help();
  program.add_option("--engines", options.engines, "that replay at the same time")
      .between(1, 64)
      .default_in_help();
  program.add_option("--seconds", options.seconds, "that this piece may take")
      .positive()
      .default_in_help();
  program.add_option("--replays", options.replays, "that this piece has at most").default_in_help();
  program.add_option("--add-to", options.add_to, "file that gets a line for this piece");
  program.set_device_action([&] { return replays::run(options); });
  return line.run(argc, argv);
}
