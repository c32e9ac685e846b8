#include "litmus/rig.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "litmus/traffic.h"
#include "pdl/device.h"
#include "slipstream/error.h"

namespace slipstream::litmus {
namespace {

// More than the L2 cache holds, in grids as large as half a GPU.
constexpr size_t kTrafficBytesPerBlock = size_t{4} << 20;

template <class T>
size_t bytes_of(size_t count) {
  return count * sizeof(T);
}

unsigned multiprocessor_count() {
  int count = 0;
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, pdl::current_device()),
             "number of multiprocessors");
  return static_cast<unsigned>(count);
}

}  // namespace

// The instantiated graphs of a chain, launched one after another.
class Rig::Graphs {
 public:
  Graphs(Rig& rig, const Chain& chain) : graphs_(rig.capture(chain)) {
    for (cudaGraph_t graph : graphs_) {
      executables_.push_back(nullptr);
      check_cuda(cudaGraphInstantiate(&executables_.back(), graph, 0), "cudaGraphInstantiate");
    }
  }
  ~Graphs() {
    for (cudaGraphExec_t executable : executables_) (void)cudaGraphExecDestroy(executable);
    for (cudaGraph_t graph : graphs_) (void)cudaGraphDestroy(graph);
  }
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;

  void launch(cudaStream_t stream) const {
    for (cudaGraphExec_t executable : executables_) {
      check_cuda(cudaGraphLaunch(executable, stream), "cudaGraphLaunch");
    }
  }

 private:
  std::vector<cudaGraph_t> graphs_;
  std::vector<cudaGraphExec_t> executables_;
};

Rig::Rig(const RigOptions& options)
    : options_(options), multiprocessors_(multiprocessor_count()), random_(options.seed) {
  resources_.blocks = options.blocks == 0 ? std::max(2U, multiprocessors_ / 2) : options.blocks;
  resources_.data_blocks = std::max(resources_.blocks, multiprocessors_);
  const size_t words = size_t{resources_.data_blocks} * kThreadsPerBlock * kWordsPerThread;
  data_ = DeviceBuffer(bytes_of<unsigned>(words));
  scratch_ = DeviceBuffer(4096);
  control_ = DeviceBuffer(sizeof(Control));
  slots_ = DeviceBuffer(sizeof(Slots));
  check_cuda(cudaHostAlloc(reinterpret_cast<void**>(&host_data_), bytes_of<unsigned>(words),
                           cudaHostAllocMapped),
             "cudaHostAlloc");
  check_cuda(cudaMemset(data_.data(), 0, data_.bytes()), "cudaMemset");
  check_cuda(cudaMemset(scratch_.data(), 0, scratch_.bytes()), "cudaMemset");
  std::fill_n(host_data_, words, 0U);
  for (cudaStream_t& stream : resources_.streams) {
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  check_cuda(cudaStreamCreateWithFlags(&traffic_stream_, cudaStreamNonBlocking),
             "cudaStreamCreate");
  for (cudaEvent_t& event : resources_.events) {
    check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  }
  check_cuda(cudaEventDestroy(resources_.events[kTimingEvent]), "cudaEventDestroy");
  check_cuda(cudaEventCreate(&resources_.events[kTimingEvent]), "cudaEventCreate");
  resources_.scratch = scratch_.data();
  resources_.control = static_cast<Control*>(control_.data());
  resources_.slots = static_cast<Slot*>(slots_.data());
  prepare_kernels();
}

Rig::~Rig() {
  for (cudaStream_t stream : resources_.streams) (void)cudaStreamDestroy(stream);
  (void)cudaStreamDestroy(traffic_stream_);
  for (cudaEvent_t event : resources_.events) (void)cudaEventDestroy(event);
  (void)cudaFreeHost(host_data_);
}

// Shared memory for the experiments that make CTAs large, and a carve-out that leaves the next
// grid's CTAs room.
void Rig::prepare_kernels() {
  int shared_bytes = 0;
  check_cuda(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                    pdl::current_device()),
             "shared memory of a block");
  check_cuda(cudaFuncSetAttribute(script_kernel(), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  shared_bytes),
             "cudaFuncSetAttribute of dynamic shared memory");
  check_cuda(cudaFuncSetAttribute(script_kernel(), cudaFuncAttributePreferredSharedMemoryCarveout,
                                  cudaSharedmemCarveoutMaxShared),
             "cudaFuncSetAttribute of the carve-out");
}

// A fresh set of values and delays; all data holds the value 0 of the set.
void Rig::prepare_execution(bool host_memory) {
  Control control;
  // Four equal bytes, so that a memset can fill the data with it.
  const unsigned byte = ++executions_ % 256;
  control.base = byte * 0x01010101U;
  // From a quarter to four times the average, evenly on a logarithmic scale.
  const double scale = std::exp2(std::uniform_real_distribution<>(-2.0, 2.0)(random_)) / 1.35;
  control.delay_nanoseconds = static_cast<unsigned>(options_.delay_microseconds * 1000 * scale);
  control.seed = random_();
  check_cuda(cudaMemcpy(control_.data(), &control, sizeof(control), cudaMemcpyHostToDevice),
             "copy of the control block");
  Slots empty{};
  for (Slot& slot : empty) slot.first_stamp = slot.fewest_arrivals = ~0ULL;
  check_cuda(cudaMemcpy(slots_.data(), empty.data(), sizeof(empty), cudaMemcpyHostToDevice),
             "copy of the slots");
  if (host_memory) {
    std::memset(host_data_, static_cast<int>(byte), data_.bytes());
  } else {
    check_cuda(cudaMemset(data_.data(), static_cast<int>(byte), data_.bytes()), "cudaMemset");
  }
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

void Rig::start_traffic() {
  if (traffic_.bytes() == 0) {
    traffic_ = DeviceBuffer(kTrafficBytesPerBlock * resources_.blocks);
    check_cuda(cudaMemset(traffic_.data(), 0, traffic_.bytes()), "cudaMemset");
  }
  void* memory = traffic_.data();
  auto words = static_cast<unsigned>(traffic_.bytes() / sizeof(unsigned));
  auto nanoseconds = static_cast<unsigned>(options_.delay_microseconds * 1000 * 8);
  std::array<void*, 3> parameters{&memory, &words, &nanoseconds};
  check_cuda(cudaLaunchKernel(traffic_kernel(), dim3(4 * resources_.blocks), dim3(kThreadsPerBlock),
                              parameters.data(), 0, traffic_stream_),
             "launch of the traffic kernel");
}

// Polls, so that a device that hangs does not hang the program.
void Rig::finish(cudaStream_t stream) {
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    const cudaError_t code = cudaStreamQuery(stream);
    if (code == cudaSuccess) return;
    if (code != cudaErrorNotReady) check_cuda(code, "execution of a chain");
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
    if (waited.count() > options_.timeout_seconds) {
      throw TimedOut(
          fmt::format("the device did not finish within {} s", options_.timeout_seconds));
    }
    if (waited.count() > 0.001) std::this_thread::yield();
  }
}

Slots Rig::slots() {
  Slots slots;
  check_cuda(cudaMemcpy(slots.data(), slots_.data(), sizeof(slots), cudaMemcpyDeviceToHost),
             "copy of the slots");
  return slots;
}

std::vector<cudaGraph_t> Rig::capture(const Chain& chain) {
  std::vector<cudaGraph_t> graphs;
  cudaStream_t stream = resources_.streams[0];
  const auto begin = [&] {
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin capture");
  };
  const auto end = [&] {
    graphs.push_back(nullptr);
    check_cuda(cudaStreamEndCapture(stream, &graphs.back()), "end capture");
  };
  try {
    begin();
    for (const Link& link : chain) {
      if (std::holds_alternative<NextGraph>(link)) {
        end();
        begin();
      }
      enqueue(link, resources_);
    }
    end();
  } catch (...) {
    cudaGraph_t unfinished = nullptr;
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream, &status) == cudaSuccess &&
        status != cudaStreamCaptureStatusNone) {
      (void)cudaStreamEndCapture(stream, &unfinished);
    }
    (void)cudaGetLastError();
    for (cudaGraph_t graph : graphs) (void)cudaGraphDestroy(graph);
    throw;
  }
  return graphs;
}

void Rig::repeat(const Chain& chain, const ChainOptions& options,
                 const std::function<void(const Slots&)>& look) {
  resources_.data = options.host_memory ? host_data_ : static_cast<unsigned*>(data_.data());
  std::optional<Graphs> graphs;
  if (options.mode == Mode::kGraph) graphs.emplace(*this, chain);
  const bool traffic = options.traffic && !options_.without_traffic;
  for (int i = 0; i < options_.iterations; ++i) {
    prepare_execution(options.host_memory);
    if (traffic) start_traffic();
    if (graphs) {
      graphs->launch(resources_.streams[0]);
    } else {
      for (const Link& link : chain) enqueue(link, resources_);
    }
    for (cudaStream_t stream : resources_.streams) finish(stream);
    if (traffic) finish(traffic_stream_);
    look(slots());
  }
}

}  // namespace slipstream::litmus
