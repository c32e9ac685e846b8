// From the arguments of a launch to a KernelOperation.
#pragma once

#include <driver_types.h>

#include <cstddef>
#include <span>

#include "emulator/runtime/operation.h"

namespace slipstream::emulator::runtime {

// Copies the parameters and notes the attributes. Throws ApiError for an unknown kernel and for an
// attribute that is unknown or not valid for a launch; the shape is checked by the device, when the
// operation is submitted.
KernelOperation make_kernel_operation(const void* function, dim3 grid, dim3 block,
                                      size_t dynamic_shared_bytes, void** arguments,
                                      std::span<const cudaLaunchAttribute> attributes);

// Sets one attribute of a graph's kernel node, or reads it (zeros where it was never set).
void set_node_attribute(KernelOperation& operation, cudaLaunchAttributeID id,
                        const cudaLaunchAttributeValue& value);
cudaLaunchAttributeValue node_attribute(const KernelOperation& operation, cudaLaunchAttributeID id);

}  // namespace slipstream::emulator::runtime
