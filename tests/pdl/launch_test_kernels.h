// A kernel that waits, for the tests of the launch layer.
#pragma once

#include "slipstream/launch.h"

namespace slipstream::pdl::test {

// Adds 1 to *counter without an atomic: two of them at once lose one.
void launch_add_one(const KernelDeclaration& declaration, const LaunchOptions& options,
                    void* counter, unsigned grid, unsigned threads = 32,
                    bool balances_clusters = false);

}  // namespace slipstream::pdl::test
