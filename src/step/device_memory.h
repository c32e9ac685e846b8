// Asks for device memory before any is taken.
#pragma once

#include <cstdint>
#include <string>

namespace slipstream::step {

// "12.34 GB"
[[nodiscard]] std::string gigabytes(int64_t bytes);

// Throws InvalidArgument that names `what`, the bytes it needs and those that are free, if the
// current device has too few.
void require_device_memory(int64_t bytes, const std::string& what);

}  // namespace slipstream::step
