// The CPUs next to a GPU: a thread that enqueues its steps from another socket takes longer.
#pragma once

#include <string>
#include <vector>

namespace slipstream::engine {

// Those that the kernel says are near a PCI device ("0000:3B:00.0"), ascending; none where it does
// not say. `sysfs`: where it says it.
[[nodiscard]] std::vector<int> cpus_near(const std::string& bus_id,
                                         const std::string& sysfs = "/sys");

// From now on the calling thread, and those that it starts, run on these CPUs, as far as it may use
// them; where it may use none, nothing changes.
void keep_thread_on(const std::vector<int>& cpus) noexcept;

// Both, for the current GPU.
void keep_thread_near_gpu() noexcept;

}  // namespace slipstream::engine
