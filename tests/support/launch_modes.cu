#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "slipstream/error.h"
#include "support/compare.h"
#include "support/launch_modes.h"

namespace slipstream::test {

struct ProducerParams {
  pdl::Constant<uint8_t> source;
  pdl::Produced<uint8_t> target;
  int64_t bytes;
};

// Lets the next kernel start, dawdles, and only then writes.
__global__ void producer_kernel(const __grid_constant__ ProducerParams params) {
  constexpr unsigned kDelayNanoseconds = 4000;
  pdl::trigger();
  pdl::wait();
  __nanosleep(kDelayNanoseconds);
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < params.bytes;
       i += step) {
    params.target.get()[i] = params.source.get()[i];
  }
}

namespace {

constexpr std::array kProducerFields{
    pdl::field<decltype(ProducerParams::source)>("source", offsetof(ProducerParams, source)),
    pdl::field<decltype(ProducerParams::target)>("target", offsetof(ProducerParams, target)),
};
constexpr pdl::KernelDeclaration kProducerDeclaration{
    .name = "producer",
    .symbol = "slipstream::test::producer_kernel",
    .waits = true,
    .fields = kProducerFields,
};

void produce(std::span<Mirror* const> mirrors, const pdl::LaunchOptions& options) {
  constexpr unsigned kThreads = 256;
  constexpr unsigned kMaxBlocks = 16;
  for (Mirror* mirror : mirrors) {
    if (mirror->is_constant()) continue;
    const auto blocks = static_cast<unsigned>((mirror->size() + kThreads - 1) / kThreads);
    pdl::launch(kProducerDeclaration, producer_kernel,
                {.grid = dim3(std::min(blocks, kMaxBlocks)), .block = dim3(kThreads)}, options,
                {{mirror->device_initial()}, {mirror->device()}, mirror->size()});
  }
}

std::vector<std::vector<uint8_t>> download_all(std::span<Mirror* const> mirrors) {
  std::vector<std::vector<uint8_t>> bytes;
  for (Mirror* mirror : mirrors) bytes.push_back(mirror->download());
  return bytes;
}

void poison_all(std::span<Mirror* const> mirrors) {
  for (Mirror* mirror : mirrors) mirror->poison_device();
}

ModeResult run_in_stream(std::span<Mirror* const> mirrors, const Operator& run, bool pdl) {
  const pdl::Stream stream;
  const pdl::LaunchOptions options{.stream = stream.get(), .pdl = pdl};
  poison_all(mirrors);
  produce(mirrors, options);
  run(options);
  stream.synchronize();
  return {pdl ? "with PDL" : "without PDL", download_all(mirrors)};
}

ModeResult run_in_graph(std::span<Mirror* const> mirrors, const Operator& run) {
  const pdl::Stream stream;
  const pdl::LaunchOptions options{.stream = stream.get(), .pdl = true};
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check_cuda(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
  produce(mirrors, options);
  run(options);
  check_cuda(cudaStreamEndCapture(stream.get(), &graph), "cudaStreamEndCapture");
  check_cuda(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  for (int replay = 0; replay < 2; ++replay) {
    poison_all(mirrors);
    check_cuda(cudaGraphLaunch(executable, stream.get()), "cudaGraphLaunch");
    stream.synchronize();
  }
  check_cuda(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
  check_cuda(cudaGraphDestroy(graph), "cudaGraphDestroy");
  return {"from a graph", download_all(mirrors)};
}

}  // namespace

std::vector<ModeResult> run_in_all_modes(std::span<Mirror* const> mirrors, const Operator& run) {
  // Device memory is allocated before anything is captured.
  for (Mirror* mirror : mirrors) {
    static_cast<void>(mirror->device());
    static_cast<void>(mirror->device_initial());
  }
  return {run_in_stream(mirrors, run, false), run_in_stream(mirrors, run, true),
          run_in_graph(mirrors, run)};
}

void expect_matches_host(const std::vector<Mirror*>& mirrors, const Operator& run) {
  for (const ModeResult& result : run_in_all_modes(mirrors, run)) {
    for (size_t i = 0; i < mirrors.size(); ++i) {
      EXPECT_TRUE(same_bytes(result.bytes[i], mirrors[i]->host()))
          << mirrors[i]->name() << ", " << result.mode;
    }
  }
}

}  // namespace slipstream::test
