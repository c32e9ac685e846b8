#include "support/launch_modes.h"

#include <gtest/gtest.h>

#include "slipstream/error.h"
#include "support/compare.h"
#include "support/producer.h"

namespace slipstream::test {

namespace {

void produce(std::span<Mirror* const> mirrors, const pdl::LaunchOptions& options) {
  for (Mirror* mirror : mirrors) {
    if (mirror->is_constant()) continue;
    launch_producer(mirror->device_initial(), mirror->device(), mirror->size(), options);
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
