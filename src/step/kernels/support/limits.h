// What launches are planned by: limits of the GPU, asked for once.
#pragma once

#include <array>
#include <bit>
#include <cstddef>

namespace slipstream::step::kernels {

struct DeviceLimits {
  int multiprocessors = 0;
  int shared_bytes = 0;  // that a CTA can have
};

// Of the current device. Throws CudaError.
[[nodiscard]] const DeviceLimits& device_limits();

// Shared memory of a multiprocessor, and what every CTA takes of it besides its own.
inline constexpr size_t kMultiprocessorBytes = size_t{228} * 1024;
inline constexpr size_t kReservedBytes = 1024;

// Shared memory of which no two CTAs fit on a multiprocessor, so that a launch whose CTAs ask for it
// spreads over all multiprocessors. Started early by PDL, CTAs otherwise land by twos where the
// launch before has left first, and other multiprocessors get none. One of another launch that asks for
// as much starts only when the other has ended.
inline constexpr size_t kSpreadingBytes = size_t{118} * 1024;

// The least that spreads, static memory included. Next to a CTA that takes no more, one of another launch
// fits that takes kNeighborBytes, static memory included.
inline constexpr size_t kLeastSpreadingBytes = kMultiprocessorBytes / 2 - kReservedBytes + 128;
inline constexpr size_t kNeighborBytes =
    kMultiprocessorBytes - 2 * kReservedBytes - kLeastSpreadingBytes;

// Clusters of 1, 2, 4, 8 and 16 CTAs that run at once, at one CTA per multiprocessor. Fewer than
// the multiprocessors divided: some groups of them have an odd number left over, or no sixteen.
struct ClusterLimits {
  std::array<int, 5> clusters = {};

  [[nodiscard]] int most(int cluster_ctas) const {
    return clusters[std::countr_zero(static_cast<unsigned>(cluster_ctas))];
  }
};

// Of the current device, asked about `kernel`, which stands for all that fill a multiprocessor.
// Throws CudaError.
[[nodiscard]] const ClusterLimits& cluster_limits(const void* kernel);

}  // namespace slipstream::step::kernels
