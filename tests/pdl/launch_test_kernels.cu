#include "pdl/launch_test_kernels.h"

namespace slipstream::pdl::test {
namespace {

struct AddOneParams {
  Produced<int> counter;
};

__global__ void add_one_kernel(const __grid_constant__ AddOneParams params) {
  trigger();
  wait();
  if (threadIdx.x == 0) *params.counter.get() += 1;
}

}  // namespace

void launch_add_one(const KernelDeclaration& declaration, const LaunchOptions& options,
                    void* counter, unsigned grid, unsigned threads, bool balances_clusters) {
  launch(declaration, add_one_kernel,
         {.grid = dim3(grid), .block = dim3(threads), .balances_clusters = balances_clusters},
         options, AddOneParams{{static_cast<int*>(counter)}});
}

}  // namespace slipstream::pdl::test
