// fill -> apply_q_scale_and_softmax_scale -> add_bias: each kernel starts early and waits for what the one before it writes.
#include <cuda_runtime.h>
#include <slipstream/launch.h>
#include <slipstream/ops.h>
#include <slipstream/version.h>

#include <array>
#include <cstdio>
#include <slipstream/pdl.cuh>

#include "engine.h"

using slipstream::Tensor;
namespace pdl = slipstream::pdl;

namespace {

constexpr int kTokens = 4;
constexpr int kHeads = 64;
constexpr int kCount = kTokens * kHeads;

struct FillParams {
  pdl::Produced<float> out;
};

__global__ void fill(FillParams params) {
  pdl::trigger();
  pdl::wait();  // the replay before this one may still read what is overwritten
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  params.out.get()[i] = static_cast<float>(i);
}

struct AddParams {
  pdl::Constant<float> bias;
  pdl::Produced<float> in_out;
};

__global__ void add_bias(AddParams params) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const float bias = params.bias.get()[i % kHeads];  // constant: read before the wait
  pdl::trigger();
  pdl::wait();
  params.in_out.get()[i] += bias;
}

constexpr pdl::KernelDeclaration kFill{"fill", "fill", true, {}};
constexpr pdl::KernelDeclaration kAddBias{"add_bias", "add_bias", true, {}};

float* device_floats(int count, float value) {
  float* floats = nullptr;
  slipstream::check_cuda(cudaMalloc(&floats, count * sizeof(float)), "cudaMalloc");
  std::array<float, kCount> values;
  values.fill(value);
  slipstream::check_cuda(
      cudaMemcpy(floats, values.data(), count * sizeof(float), cudaMemcpyHostToDevice),
      "cudaMemcpy");
  return floats;
}

int wrong_values(cudaStream_t stream) {
  float* values = device_floats(kCount, 0);
  float* scales = device_floats(kCount, 2);
  float* bias = device_floats(kHeads, 3);
  const pdl::LaunchShape shape{.grid = kTokens, .block = kHeads};
  const pdl::LaunchOptions options{.stream = stream};
  const Tensor tensor(values, slipstream::DType::kFloat32, {kTokens, kHeads});
  pdl::launch(kFill, fill, shape, options, {.out = {values}});
  slipstream::ops::apply_q_scale_and_softmax_scale(
      tensor, Tensor(scales, slipstream::DType::kFloat32, {kTokens, kHeads}), tensor, 0.5F,
      options);
  pdl::launch(kAddBias, add_bias, shape, options, {.bias = {bias}, .in_out = {values}});
  std::array<float, kCount> result;
  slipstream::check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  slipstream::check_cuda(cudaMemcpy(result.data(), values, sizeof result, cudaMemcpyDeviceToHost),
                         "cudaMemcpy");
  int wrong = 0;
  for (int i = 0; i < kCount; ++i) wrong += result[i] != static_cast<float>(i) * 2 * 0.5F + 3;
  return wrong;
}

}  // namespace

int main() {
  cudaStream_t stream;
  slipstream::check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
                         "cudaStreamCreateWithFlags");
  const int wrong = wrong_values(stream);
  std::printf("slipstream %s: %d of %d values wrong, PDL %s\n", slipstream::version(), wrong,
              kCount, pdl::supports_pdl() ? "on" : "off");
  return wrong == 0 && refuses_a_missing_model(stream) ? 0 : 1;
}
