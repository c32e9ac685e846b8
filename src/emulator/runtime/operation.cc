#include "emulator/runtime/operation.h"

#include <array>

namespace slipstream::emulator::runtime {
namespace {

const cudaLaunchAttributeValue* find(const LaunchAttributes& attributes, cudaLaunchAttributeID id) {
  const auto found = attributes.find(id);
  return found == attributes.end() ? nullptr : &found->second;
}

}  // namespace

dim3 KernelOperation::cluster() const {
  const auto* value = find(attributes, cudaLaunchAttributeClusterDimension);
  if (value == nullptr) return {0, 0, 0};
  return {value->clusterDim.x, value->clusterDim.y, value->clusterDim.z};
}

bool KernelOperation::cooperative() const {
  const auto* value = find(attributes, cudaLaunchAttributeCooperative);
  return value != nullptr && value->cooperative != 0;
}

bool KernelOperation::programmatic_serialization() const {
  const auto* value = find(attributes, cudaLaunchAttributeProgrammaticStreamSerialization);
  return value != nullptr && value->programmaticStreamSerializationAllowed != 0;
}

uint64_t KernelOperation::memory_domain() const {
  const auto* value = find(attributes, cudaLaunchAttributeMemSyncDomain);
  return value == nullptr ? 0 : static_cast<uint64_t>(value->memSyncDomain);
}

cudaGraphNodeType node_type(const Operation& operation) {
  constexpr std::array<cudaGraphNodeType, std::variant_size_v<Operation>> kTypes = {
      cudaGraphNodeTypeKernel,    cudaGraphNodeTypeMemcpy,      cudaGraphNodeTypeMemset,
      cudaGraphNodeTypeHost,      cudaGraphNodeTypeGraph,       cudaGraphNodeTypeEmpty,
      cudaGraphNodeTypeWaitEvent, cudaGraphNodeTypeEventRecord, cudaGraphNodeTypeMemAlloc,
      cudaGraphNodeTypeMemFree,   cudaGraphNodeTypeConditional, cudaGraphNodeTypeHost};
  return kTypes.at(operation.index());
}

}  // namespace slipstream::emulator::runtime
