#include <algorithm>
#include <array>
#include <cstddef>

#include "support/producer.h"

namespace slipstream::test {

struct ProducerParams {
  pdl::Constant<uint8_t> source;
  pdl::Produced<uint8_t> target;
  int64_t bytes;
};

// Lets the next kernel start, dawdles, and only then writes.
__global__ void producer_kernel(const __grid_constant__ ProducerParams params) {
  constexpr unsigned kDelayNanoseconds = 4000;
  pdl::trigger();
  pdl::wait();
  __nanosleep(kDelayNanoseconds);
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < params.bytes;
       i += step) {
    params.target.get()[i] = params.source.get()[i];
  }
}

namespace {

constexpr std::array kProducerFields{
    pdl::field<decltype(ProducerParams::source)>("source", offsetof(ProducerParams, source)),
    pdl::field<decltype(ProducerParams::target)>("target", offsetof(ProducerParams, target)),
};
constexpr pdl::KernelDeclaration kProducerDeclaration{
    .name = "producer",
    .symbol = "slipstream::test::producer_kernel",
    .waits = true,
    .fields = kProducerFields,
};

}  // namespace

void launch_producer(const uint8_t* source, uint8_t* target, int64_t bytes,
                     const pdl::LaunchOptions& options) {
  constexpr unsigned kThreads = 256;
  constexpr unsigned kMaxBlocks = 16;
  const auto blocks = static_cast<unsigned>((bytes + kThreads - 1) / kThreads);
  pdl::launch(kProducerDeclaration, producer_kernel,
              {.grid = dim3(std::min(blocks, kMaxBlocks)), .block = dim3(kThreads)}, options,
              {{source}, {target}, bytes});
}

}  // namespace slipstream::test
