// Tells who asks about the launches of a piece of host code: what is in a graph, in which order.
#pragma once

#include <functional>

#include "slipstream/launch.h"

namespace slipstream::pdl {

struct ObservedLaunch {
  const KernelDeclaration& declaration;
  const LaunchShape& shape;
  const LaunchOptions& options;
  const void* parameter;  // the kernel's parameter struct; declaration.fields are its pointers
};

// While it lives, `on_launch` is called after every launch of this thread. One at a time.
class LaunchObserver {
 public:
  using OnLaunch = std::function<void(const ObservedLaunch&)>;

  explicit LaunchObserver(OnLaunch on_launch);
  ~LaunchObserver();
  LaunchObserver(const LaunchObserver&) = delete;
  LaunchObserver& operator=(const LaunchObserver&) = delete;
};

}  // namespace slipstream::pdl
