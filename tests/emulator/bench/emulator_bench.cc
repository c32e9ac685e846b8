// How fast the emulated device is: lane-instructions of a bf16 GEMV and operations of fp8 mma on
// one host core, and the PTX parser.
#include <benchmark/benchmark.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "code/ptx/module.h"
#include "emulator/device/device.h"

namespace slipstream::emulator {
namespace {

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

const std::string& kernels() {
  static const std::string kText = read_file(SLIPSTREAM_BENCH_PTX);
  return kText;
}

class Bench {
 public:
  explicit Bench(bool check_races = false)
      : device_(settings(check_races)),
        module_(device_.load_module(ptx::Module::parse(kernels(), "bench"))) {}

  uint64_t allocate(uint64_t bytes) {
    const uint64_t address = device_.allocate(bytes, MemoryKind::kDevice, "bench");
    device_.fill(address, 0x3c, 1, bytes);
    return address;
  }
  // Three pointers and an int, which is what both kernels take.
  void run(benchmark::State& state, const char* kernel, Dim3 grid, Dim3 block,
           const std::vector<uint64_t>& pointers, int32_t count) {
    KernelLaunch launch;
    launch.kernel = device_.find_kernel(module_, kernel);
    launch.grid = grid;
    launch.block = block;
    launch.parameters.resize(28);
    std::memcpy(launch.parameters.data(), pointers.data(), 24);
    std::memcpy(launch.parameters.data() + 24, &count, 4);
    // Each launch is behind the one before, as in a stream; the host never waits.
    const auto run_once = [&] {
      launch.dependencies = {{device_.submit(launch)}};
      if (const auto fault = device_.run_all()) {
        state.SkipWithError(fault->report().c_str());
      }
    };
    run_once();  // decodes, and touches all memory
    const Statistics before = device_.statistics();
    for (auto iteration : state) {
      static_cast<void>(iteration);
      run_once();
    }
    const Statistics after = device_.statistics();
    state.counters["lane_instructions"] =
        benchmark::Counter(static_cast<double>(after.lane_instructions - before.lane_instructions),
                           benchmark::Counter::kIsRate);
    state.counters["warp_instructions"] =
        benchmark::Counter(static_cast<double>(after.warp_instructions - before.warp_instructions),
                           benchmark::Counter::kIsRate);
  }

 private:
  static Settings settings(bool check_races) {
    Settings settings;
    settings.threads = 1;
    settings.check_races = check_races;
    return settings;
  }

  Device device_;
  LoadedModule* module_;
};

void gemv_bf16(benchmark::State& state) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  constexpr int32_t kColumns = 7168;
  Bench bench(state.range(1) != 0);
  const uint64_t weights = bench.allocate(uint64_t{rows} * kColumns * 2);
  const uint64_t vector = bench.allocate(kColumns * 2);
  const uint64_t result = bench.allocate(uint64_t{rows} * 4);
  bench.run(state, "gemv_bf16", {rows / 4, 1, 1}, {128, 1, 1}, {weights, vector, result}, kColumns);
}
// Rows, and whether the race check is on.
BENCHMARK(gemv_bf16)->ArgsProduct({{256, 2112}, {0, 1}})->Unit(benchmark::kMillisecond);

void mma_fp8(benchmark::State& state) {
  constexpr int32_t kSteps = 512;
  constexpr uint32_t kCtas = 8;
  Bench bench(state.range(0) != 0);
  const uint64_t a = bench.allocate(512);
  const uint64_t b = bench.allocate(256);
  const uint64_t result = bench.allocate(uint64_t{kCtas} * 512);
  bench.run(state, "mma_fp8", {kCtas, 1, 1}, {32, 1, 1}, {a, b, result}, kSteps);
  state.counters["flops"] = benchmark::Counter(
      2.0 * 16 * 8 * 32 * kSteps * kCtas * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}
BENCHMARK(mma_fp8)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void launch_empty_grid(benchmark::State& state) {
  Bench bench(state.range(0) != 0);
  const uint64_t buffer = bench.allocate(512);
  bench.run(state, "mma_fp8", {1, 1, 1}, {32, 1, 1}, {buffer, buffer, buffer}, 0);
}
BENCHMARK(launch_empty_grid)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

void parse_ptx(benchmark::State& state) {
  for (auto iteration : state) {
    static_cast<void>(iteration);
    benchmark::DoNotOptimize(ptx::Module::parse(kernels(), "bench"));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kernels().size()));
}
BENCHMARK(parse_ptx)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace slipstream::emulator

BENCHMARK_MAIN();
