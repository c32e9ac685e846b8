#include "emulator/runtime/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "emulator/runtime/error.h"
#include "emulator/runtime/event.h"
#include "emulator/runtime/registry.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

std::vector<uint8_t> parameter_block(const Kernel* kernel, void** arguments) {
  std::vector<uint8_t> block(device().attributes(kernel).parameter_bytes);
  const auto parameters = device().kernel_parameters(kernel);
  require(parameters.empty() || arguments != nullptr);
  for (size_t i = 0; i < parameters.size(); ++i) {
    require(arguments[i] != nullptr);
    std::memcpy(block.data() + parameters[i].offset, arguments[i], parameters[i].size);
  }
  return block;
}

std::shared_ptr<Event> event_for_launch(cudaEvent_t handle) {
  Event& event = events().resolve(handle);
  if (event.has_timing()) {
    throw ApiError(cudaErrorInvalidValue,
                   "an event that a launch fires must be created with cudaEventDisableTiming");
  }
  return event.shared_from_this();
}

// Attributes that a launch may carry and that the emulated device only has to keep.
constexpr std::array kHints = {
    cudaLaunchAttributeAccessPolicyWindow,
    cudaLaunchAttributeClusterSchedulingPolicyPreference,
    cudaLaunchAttributePriority,
    cudaLaunchAttributeMemSyncDomainMap,
    cudaLaunchAttributeMemSyncDomain,
    cudaLaunchAttributePreferredClusterDimension,
    cudaLaunchAttributePreferredSharedMemoryCarveout,
    cudaLaunchAttributeNvlinkUtilCentricScheduling,
};

void keep_attribute(KernelOperation& operation, const cudaLaunchAttribute& attribute) {
  const cudaLaunchAttributeValue& value = attribute.val;
  switch (attribute.id) {
    case cudaLaunchAttributeIgnore:
      return;
    case cudaLaunchAttributeClusterDimension:
    case cudaLaunchAttributeCooperative:
    case cudaLaunchAttributeProgrammaticStreamSerialization:
      break;
    case cudaLaunchAttributeProgrammaticEvent:
      operation.programmatic_event = event_for_launch(value.programmaticEvent.event);
      operation.programmatic_at_block_start = value.programmaticEvent.triggerAtBlockStart != 0;
      return;
    case cudaLaunchAttributeLaunchCompletionEvent:
      operation.launch_completion_event = event_for_launch(value.launchCompletionEvent.event);
      return;
    case cudaLaunchAttributeDeviceUpdatableKernelNode:
      throw ApiError(cudaErrorNotSupported, "device-updatable kernel nodes are not supported");
    default:
      if (std::ranges::find(kHints, attribute.id) == kHints.end()) {
        throw ApiError(cudaErrorInvalidValue,
                       fmt::format("launch attribute {} is not valid for a launch",
                                   static_cast<int>(attribute.id)));
      }
  }
  operation.attributes[attribute.id] = value;
}

}  // namespace

KernelOperation make_kernel_operation(const void* function, dim3 grid, dim3 block,
                                      size_t dynamic_shared_bytes, void** arguments,
                                      std::span<const cudaLaunchAttribute> attributes) {
  KernelOperation operation;
  operation.function = &registry().function(function, cudaErrorInvalidResourceHandle);
  operation.device = current_device();
  operation.grid = grid;
  operation.block = block;
  require(dynamic_shared_bytes <= UINT32_MAX);
  operation.dynamic_shared_bytes = static_cast<uint32_t>(dynamic_shared_bytes);
  operation.parameters = parameter_block(registry().kernel(*operation.function), arguments);
  for (const cudaLaunchAttribute& attribute : attributes) keep_attribute(operation, attribute);
  return operation;
}

void set_node_attribute(KernelOperation& operation, cudaLaunchAttributeID id,
                        const cudaLaunchAttributeValue& value) {
  // These three are valid for launches only.
  require(id != cudaLaunchAttributeProgrammaticStreamSerialization &&
          id != cudaLaunchAttributeProgrammaticEvent &&
          id != cudaLaunchAttributeLaunchCompletionEvent);
  keep_attribute(operation, {id, {}, value});
}

cudaLaunchAttributeValue node_attribute(const KernelOperation& operation,
                                        cudaLaunchAttributeID id) {
  const auto found = operation.attributes.find(id);
  return found == operation.attributes.end() ? cudaLaunchAttributeValue{} : found->second;
}

}  // namespace slipstream::emulator::runtime
