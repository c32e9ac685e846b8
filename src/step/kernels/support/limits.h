// What launches are planned by: limits of the GPU, asked for once.
#pragma once

#include "slipstream/launch.h"

namespace slipstream::step::kernels {

struct DeviceLimits {
  int multiprocessors = 0;
  int shared_bytes = 0;  // that a CTA can have
  // Clusters of 1, 2, 4 and 8 CTAs that run at once, at one CTA per multiprocessor. Fewer than the
  // multiprocessors divided: some groups of them have an odd number left over.
  int clusters[4] = {};

  [[nodiscard]] int max_clusters(int cluster_ctas) const {
    return clusters[cluster_ctas == 1 ? 0 : cluster_ctas == 2 ? 1 : cluster_ctas == 4 ? 2 : 3];
  }
};

// Of a kernel that only the question for clusters is about.
extern const pdl::KernelDeclaration kProbeDeclaration;

// Of the current device. Throws CudaError.
[[nodiscard]] const DeviceLimits& device_limits();

}  // namespace slipstream::step::kernels
