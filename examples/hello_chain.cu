// Two kernels chained by programmatic dependent launch (PDL): the second one starts while the first
// one still runs, loads what is constant, and waits for the rest.
//
//   build/bin/slipstream emulate --check -- build/bin/hello_chain      (on a GPU: build/bin/hello_chain)
#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <vector>

#include "slipstream/error.h"
#include "slipstream/launch.h"
#include "slipstream/pdl.cuh"

namespace pdl = slipstream::pdl;

struct ScaleParams {
  pdl::Constant<float> weights;      // no kernel writes it: may be read at any time
  pdl::Produced<const float> input;  // an earlier kernel wrote it: read after the wait
  pdl::Produced<float> output;
};

// [kernel.begin]
__global__ void scale_kernel(const __grid_constant__ ScaleParams params) {
  pdl::trigger();                                          // the next kernel may start now
  const float weight = params.weights.get()[threadIdx.x];  // pdl::Constant: may be read early
  pdl::wait();  // all kernels before this one have completed
  params.output.get()[threadIdx.x] = weight * params.input.get()[threadIdx.x];  // Produced
}
// [kernel.end]

namespace {

constexpr int kWidth = 128;

constexpr std::array kScaleFields{
    pdl::field<decltype(ScaleParams::weights)>("weights", offsetof(ScaleParams, weights)),
    pdl::field<decltype(ScaleParams::input)>("input", offsetof(ScaleParams, input)),
    pdl::field<decltype(ScaleParams::output)>("output", offsetof(ScaleParams, output)),
};

const pdl::KernelDeclaration kScale{
    .name = "scale", .symbol = "scale_kernel", .waits = true, .fields = kScaleFields};

float* to_device(const std::vector<float>& values) {
  void* memory = nullptr;
  slipstream::check_cuda(cudaMalloc(&memory, values.size() * sizeof(float)), "cudaMalloc");
  slipstream::check_cuda(
      cudaMemcpy(memory, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice),
      "cudaMemcpy");
  return static_cast<float*>(memory);
}

}  // namespace

int main() {
  const float* weights = to_device(std::vector<float>(kWidth, 3.0F));
  float* first = to_device(std::vector<float>(kWidth, 1.0F));
  float* second = to_device(std::vector<float>(kWidth, 0.0F));
  cudaStream_t stream = nullptr;
  slipstream::check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");

  const pdl::LaunchShape shape{.grid = 1, .block = kWidth};
  // [launch.begin]
  pdl::launch(kScale, scale_kernel, shape, {.stream = stream}, {{weights}, {first}, {second}});
  pdl::launch(kScale, scale_kernel, shape, {.stream = stream}, {{weights}, {second}, {first}});
  // [launch.end]

  std::vector<float> result(kWidth);
  slipstream::check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  slipstream::check_cuda(
      cudaMemcpy(result.data(), first, kWidth * sizeof(float), cudaMemcpyDeviceToHost),
      "cudaMemcpy");
  for (const float value : result) {
    if (value != 9.0F) {
      std::printf("wrong: every value must be 9, one is %g\n", value);
      return 1;
    }
  }
  std::printf("1 x 3 x 3 = %g, PDL %s\n", result.front(),
              pdl::supports_pdl() && pdl::enabled(stream) ? "on" : "off");
  return 0;
}
