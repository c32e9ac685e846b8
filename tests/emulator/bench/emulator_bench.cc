// How fast the emulated device is: lane-instructions of a bf16 GEMV and operations of mma and wgmma
// on one host core, and the PTX parser.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

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
  explicit Bench(bool check_races = false, const std::string& text = kernels())
      : device_(settings(check_races)),
        module_(device_.load_module({ptx::Module::parse(text, "bench")})) {}

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
    // Each launch follows the one before, as in a stream; the host never waits.
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

// A warpgroup that multiplies 64 rows with `columns` columns in each step, from shared memory.
std::string wgmma_kernel(const std::string& shape_and_types, uint32_t columns,
                         const std::string& scales) {
  std::string accumulators = "%f0";
  for (uint32_t i = 1; i < columns / 2; ++i) accumulators += fmt::format(", %f{}", i);
  return fmt::format(R"(.version 9.0
.target sm_90a
.address_size 64
.visible .entry wgmma(.param .u64 a, .param .u64 b, .param .u64 result, .param .u32 steps) {{
  .reg .pred %p<2>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  .reg .f32 %f<{}>;
  .shared .align 1024 .b8 tiles[16384];
  mov.u32 %r1, tiles;
  mov.u32 %r2, %tid.x;
  mad.lo.u32 %r3, %r2, 128, %r1;
  add.u32 %r4, %r3, 128;
fill:
  st.shared.u32 [%r3], 0x3c3c3c3c;
  add.u32 %r3, %r3, 4;
  setp.lt.u32 %p1, %r3, %r4;
  @%p1 bra fill;
  bar.sync 0;
  shr.u32 %r1, %r1, 4;
  cvt.u64.u32 %rd1, %r1;
  add.s64 %rd1, %rd1, 0x800080000;
  ld.param.u32 %r5, [steps];
step:
  wgmma.fence.sync.aligned;
  wgmma.mma_async.sync.aligned.{} {{{}}}, %rd1, %rd1, 1, {};
  wgmma.commit_group.sync.aligned;
  wgmma.wait_group.sync.aligned 0;
  sub.u32 %r5, %r5, 1;
  setp.ne.u32 %p1, %r5, 0;
  @%p1 bra step;
  ret;
}}
)",
                     columns / 2, shape_and_types, accumulators, scales);
}

void wgmma(benchmark::State& state, const std::string& text, double operations) {
  constexpr int32_t kSteps = 64;
  Bench bench(false, text);
  const uint64_t buffer = bench.allocate(512);
  bench.run(state, "wgmma", {1, 1, 1}, {128, 1, 1}, {buffer, buffer, buffer}, kSteps);
  state.counters["flops"] = benchmark::Counter(
      operations * kSteps * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(wgmma, bf16, wgmma_kernel("m64n128k16.f32.bf16.bf16", 128, "1, 1, 0, 0"),
                  2.0 * 64 * 128 * 16)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(wgmma, e4m3, wgmma_kernel("m64n128k32.f32.e4m3.e4m3", 128, "1, 1"),
                  2.0 * 64 * 128 * 32)
    ->Unit(benchmark::kMillisecond);

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
