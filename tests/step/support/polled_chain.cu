#include "cuda/system_memory.cuh"
#include "slipstream/error.h"
#include "slipstream/pdl.cuh"
#include "tests/step/support/polled_chain.h"

namespace slipstream::step::test {
namespace {

__global__ void residual_kernel(CopiedWords rows) {
  pdl::wait();
  pdl::trigger();
  for (int i = static_cast<int>(threadIdx.x); i < rows.count; i += static_cast<int>(blockDim.x)) {
    rows.target[i] = rows.source[i];
  }
}

template <Trigger kTrigger>
__global__ void pushes_kernel(CopiedWords rows, int parts, int64_t stride) {
  if constexpr (kTrigger == Trigger::kBeforeWait) pdl::trigger();
  pdl::wait();
  if constexpr (kTrigger == Trigger::kAfterWait) pdl::trigger();
  for (int part = 0; part < parts; ++part) {
    for (int i = static_cast<int>(threadIdx.x); i < rows.count; i += static_cast<int>(blockDim.x)) {
      cuda::store_system_4(rows.target + part * stride + i, rows.source[i]);
    }
  }
}

template <class... Parameters, class... Arguments>
void launch_dependent(void (*kernel)(Parameters...), cudaStream_t stream, Arguments... arguments) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(128);
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  check_cuda(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...), "cudaLaunchKernelEx");
}

}  // namespace

void launch_residual(const CopiedWords& rows, cudaStream_t stream) {
  launch_dependent(residual_kernel, stream, rows);
}

void launch_pushes(const CopiedWords& rows, int parts, int64_t stride, Trigger trigger,
                   cudaStream_t stream) {
  launch_dependent(trigger == Trigger::kAfterWait ? pushes_kernel<Trigger::kAfterWait>
                                                  : pushes_kernel<Trigger::kBeforeWait>,
                   stream, rows, parts, stride);
}

}  // namespace slipstream::step::test
