// A chain of all operators, captured in a graph and replayed: the same bits without and with PDL,
// whatever the timing, and also with random delays after the kernels' triggers and waits.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/compare_on_device.h"
#include "bench/operator_case.h"
#include "ops/kernels.h"
#include "pdl/device_buffer.h"
#include "pdl/instrument/recorder.h"
#include "pdl/instrument/stamps.h"

namespace slipstream::bench {
namespace {

constexpr int kRounds = 2;

// One output: where the operators write it, what it starts from, and what it must become.
struct Output {
  Tensor bytes;
  DeviceBuffer initial;
  DeviceBuffer expected;
};

DeviceBuffer copy_of(const Tensor& bytes) {
  DeviceBuffer copy(static_cast<size_t>(bytes.numel()));
  check_cuda(cudaMemcpy(copy.data(), bytes.data, copy.bytes(), cudaMemcpyDeviceToDevice), "copy");
  return copy;
}

class Chain {
 public:
  explicit Chain(int tokens) : cases_(tokens) {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
    for (const OperatorCase& operator_case : cases_.all()) {
      for (const RotatingArgument* argument : operator_case.written) {
        const auto size = static_cast<int64_t>(argument->host_bytes().size());
        const Tensor bytes = argument->device(0, DType::kUInt8, {size});
        outputs_.push_back({bytes, copy_of(bytes), {}});
      }
    }
    check_cuda(cudaMemset(differences_.data(), 0, differences_.bytes()), "memset");
    check_cuda(cudaDeviceSynchronize(), "set-up");
  }
  ~Chain() { (void)cudaStreamDestroy(stream_); }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  // The result without PDL and without a graph is what all others must be.
  void establish() {
    enqueue(false);
    check_cuda(cudaStreamSynchronize(stream_), "chain without PDL");
    for (Output& output : outputs_) output.expected = copy_of(output.bytes);
    check_cuda(cudaDeviceSynchronize(), "copies");
  }

  // Replays the captured chain; bytes that differed, summed over all replays.
  uint64_t differences(bool pdl, int replays) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capture");
    enqueue(pdl);
    for (const Output& output : outputs_) {
      count_differences(output.bytes.data, output.expected.data(), output.expected.bytes(),
                        differences_.data(), stream_);
    }
    check_cuda(cudaStreamEndCapture(stream_, &graph), "end of capture");
    check_cuda(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
    for (int i = 0; i < replays; ++i) check_cuda(cudaGraphLaunch(executable, stream_), "replay");
    check_cuda(cudaStreamSynchronize(stream_), "replays");
    check_cuda(cudaGraphExecDestroy(executable), "destroy");
    check_cuda(cudaGraphDestroy(graph), "destroy");
    uint64_t count = 0;
    differences_.copy_to_host(&count, sizeof(count));
    return count;
  }

  [[nodiscard]] int64_t launches() const { return kRounds * std::ssize(cases_.all()); }

  // Enqueues the chain with PDL and gives the CTAs that instrumented kernels recorded.
  std::vector<instrument::CtaStamps> record() {
    constexpr uint32_t kCtasOfAnSm = 4096;
    instrument::Recorder recorder(kCtasOfAnSm);
    enqueue(true);
    return recorder.take(stream_);
  }

  // Makes one byte of what is expected wrong, so that the comparison must find it.
  void spoil_expectation() {
    check_cuda(cudaMemset(outputs_.back().expected.data(), 0x5A, 1), "memset");
    check_cuda(cudaDeviceSynchronize(), "memset");
  }

 private:
  void enqueue(bool pdl) {
    for (const Output& output : outputs_) {
      check_cuda(cudaMemcpyAsync(output.bytes.data, output.initial.data(), output.initial.bytes(),
                                 cudaMemcpyDeviceToDevice, stream_),
                 "reset");
    }
    for (int round = 0; round < kRounds; ++round) {
      for (const OperatorCase& operator_case : cases_.all()) {
        operator_case.launch(0, {.stream = stream_, .pdl = pdl});
      }
    }
  }

  OperatorCases cases_;
  cudaStream_t stream_ = nullptr;
  std::vector<Output> outputs_;
  DeviceBuffer differences_{sizeof(uint64_t)};
};

// While it lives, the operators launch kernels with hooks.
class InstrumentedOperators {
 public:
  InstrumentedOperators() { ops::use(ops::instrumented_kernels()); }
  ~InstrumentedOperators() { ops::use(ops::plain_kernels()); }
  InstrumentedOperators(const InstrumentedOperators&) = delete;
  InstrumentedOperators& operator=(const InstrumentedOperators&) = delete;
};

// 10,000 replays take a GPU seconds; the emulated device needs a smaller number to stay in CI.
int replays() {
  const char* text = std::getenv("SLIPSTREAM_TEST_REPLAYS");
  return text == nullptr ? 2 : std::atoi(text);
}

TEST(OperatorChain, GivesTheSameBitsWithAndWithoutPdlForOneToken) {
  Chain chain(1);
  chain.establish();
  EXPECT_EQ(chain.differences(false, 1), 0U);
  EXPECT_EQ(chain.differences(true, replays()), 0U);
}

TEST(OperatorChain, GivesTheSameBitsWithAndWithoutPdlForSixteenTokens) {
  Chain chain(16);
  chain.establish();
  EXPECT_EQ(chain.differences(true, replays()), 0U);
}

TEST(OperatorChain, GivesTheSameBitsWhateverIsDelayed) {
  for (const int tokens : {1, 16}) {
    Chain chain(tokens);
    chain.establish();
    const InstrumentedOperators instrumented;
    const instrument::Delays delays;
    EXPECT_EQ(chain.differences(true, replays()), 0U) << tokens << " tokens";
  }
}

TEST(OperatorChain, ConsistsOfKernelsThatListenToTheirInstructions) {
  Chain chain(1);
  EXPECT_TRUE(chain.record().empty()) << "the kernels that ship have hooks";
  const InstrumentedOperators instrumented;
  const std::vector<instrument::CtaStamps> stamps = chain.record();
  const auto launches =
      std::count_if(stamps.begin(), stamps.end(), [](const auto& stamp) { return stamp.cta == 0; });
  EXPECT_EQ(launches, chain.launches());
  for (const instrument::CtaStamps& cta : stamps) {
    EXPECT_GE(cta.trigger, cta.start);
    EXPECT_GE(cta.wait_return, cta.trigger);
    EXPECT_GE(cta.end, cta.wait_return);
  }
}

TEST(OperatorChain, WouldNoticeOneWrongByte) {
  Chain chain(1);
  chain.establish();
  chain.spoil_expectation();
  EXPECT_GT(chain.differences(true, 1), 0U);
}

}  // namespace
}  // namespace slipstream::bench
