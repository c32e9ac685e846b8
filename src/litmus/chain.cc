#include "litmus/chain.h"

#include <fmt/format.h>

#include <array>

#include "slipstream/error.h"

namespace slipstream::litmus {
namespace {

constexpr size_t kScratchBytes = 4096;

class Attributes {
 public:
  cudaLaunchAttributeValue& add(cudaLaunchAttributeID id) {
    cudaLaunchAttribute& attribute = attributes_[count_++];
    attribute.id = id;
    return attribute.val;
  }
  void put_into(cudaLaunchConfig_t& config) {
    config.attrs = attributes_.data();
    config.numAttrs = count_;
  }

 private:
  std::array<cudaLaunchAttribute, 8> attributes_{};
  unsigned count_ = 0;
};

Attributes attributes_of(const Kernel& kernel, const Resources& resources) {
  Attributes attributes;
  if (kernel.dependent) {
    attributes.add(cudaLaunchAttributeProgrammaticStreamSerialization)
        .programmaticStreamSerializationAllowed = 1;
  }
  if (kernel.cluster > 1) {
    attributes.add(cudaLaunchAttributeClusterDimension).clusterDim = {kernel.cluster, 1, 1};
  }
  if (kernel.cooperative) attributes.add(cudaLaunchAttributeCooperative).cooperative = 1;
  if (kernel.remote_domain) {
    attributes.add(cudaLaunchAttributeMemSyncDomain).memSyncDomain = cudaLaunchMemSyncDomainRemote;
  }
  if (kernel.programmatic_event) {
    auto& value = attributes.add(cudaLaunchAttributeProgrammaticEvent).programmaticEvent;
    value.event = resources.events[*kernel.programmatic_event];
    value.flags = 0;
    value.triggerAtBlockStart = kernel.at_block_start ? 1 : 0;
  }
  if (kernel.launch_completion_event) {
    auto& value = attributes.add(cudaLaunchAttributeLaunchCompletionEvent).launchCompletionEvent;
    value.event = resources.events[*kernel.launch_completion_event];
    value.flags = 0;
  }
  return attributes;
}

bool touches_data(const Kernel& kernel) {
  if (kernel.function != nullptr) return true;
  for (const Step& step : kernel.script.steps) {
    if (step.action == Action::kWrite || step.action == Action::kRead ||
        step.action == Action::kReadReadOnly) {
      return true;
    }
  }
  return false;
}

void enqueue_kernel(const Kernel& kernel, const Resources& resources) {
  const unsigned blocks = kernel.blocks == 0 ? resources.blocks : kernel.blocks;
  if (touches_data(kernel) && blocks > resources.data_blocks) {
    throw InvalidArgument(
        fmt::format("a litmus kernel that touches data must have at most {} "
                    "blocks, has {}",
                    resources.data_blocks, blocks));
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(kThreadsPerBlock);
  config.dynamicSmemBytes = kernel.shared_bytes;
  config.stream = resources.streams[kernel.stream];
  Attributes attributes = attributes_of(kernel, resources);
  attributes.put_into(config);

  if (kernel.function != nullptr) {
    unsigned* data = resources.data;
    Control* control = resources.control;
    Slot* slots = resources.slots;
    int rounds = 4;
    std::array<void*, 4> parameters{&data, &control, &slots, &rounds};
    check_cuda(cudaLaunchKernelExC(&config, kernel.function, parameters.data()), "launch");
    return;
  }
  ScriptParams params{.data = resources.data,
                      .control = resources.control,
                      .slots = resources.slots,
                      .script = kernel.script};
  std::array<void*, 1> parameters{&params};
  check_cuda(cudaLaunchKernelExC(&config, script_kernel(), parameters.data()), "launch");
}

struct Enqueue {
  const Resources& on;

  void operator()(const Kernel& kernel) const { enqueue_kernel(kernel, on); }
  void operator()(const Memset&) const {
    check_cuda(cudaMemsetAsync(on.scratch, 1, kScratchBytes, on.streams[0]), "cudaMemsetAsync");
  }
  void operator()(const Copy&) const {
    auto* bytes = static_cast<std::byte*>(on.scratch);
    check_cuda(cudaMemcpyAsync(bytes + kScratchBytes / 2, bytes, kScratchBytes / 2,
                               cudaMemcpyDeviceToDevice, on.streams[0]),
               "cudaMemcpyAsync");
  }
  void operator()(const HostCall&) const {
    check_cuda(cudaLaunchHostFunc(
                   on.streams[0], [](void*) {}, nullptr),
               "cudaLaunchHostFunc");
  }
  void operator()(const RecordEvent& record) const {
    check_cuda(cudaEventRecord(on.events[record.event], on.streams[record.stream]),
               "cudaEventRecord");
  }
  void operator()(const AwaitEvent& await) const {
    check_cuda(cudaStreamWaitEvent(on.streams[await.stream], on.events[await.event], 0),
               "cudaStreamWaitEvent");
  }
  void operator()(const NextGraph&) const {}
};

}  // namespace

void enqueue(const Link& link, const Resources& resources) { std::visit(Enqueue{resources}, link); }

}  // namespace slipstream::litmus
