"""Runs under `slipstream emulate`: an extension of torch, built when the program runs, with a kernel that lacks a barrier
unless the argument is "right"."""

import sys

import torch
from torch.utils.cpp_extension import load_inline

CUDA = r"""
#include <cuda_runtime.h>

__global__ void shift_tiles(float* out, const float* in, float factor, bool synchronized) {
  __shared__ float tile[128];
  const int start = blockIdx.x * 128;
  tile[threadIdx.x] = factor * in[start + threadIdx.x];
  if (synchronized) __syncthreads();
  out[start + threadIdx.x] = tile[(threadIdx.x + 32) % 128];
}

void launch(float* out, const float* in, float factor, bool synchronized, int tiles, cudaStream_t stream) {
  shift_tiles<<<tiles, 128, 0, stream>>>(out, in, factor, synchronized);
}
"""
CPP = r"""
#include <ATen/cuda/CUDAContext.h>
#include <torch/extension.h>

void launch(float* out, const float* in, float factor, bool synchronized, int tiles, cudaStream_t stream);

torch::Tensor shifted(torch::Tensor in, double factor, bool synchronized) {
  TORCH_CHECK(in.is_cuda() && in.numel() % 128 == 0);
  torch::Tensor out = torch::empty_like(in);
  launch(out.data_ptr<float>(), in.data_ptr<float>(), factor, synchronized, in.numel() / 128,
         at::cuda::getCurrentCUDAStream());
  return out;
}
"""

extension = load_inline(
    "shift_tiles",
    cpp_sources=CPP,
    cuda_sources=CUDA,
    functions=["shifted"],
    extra_cuda_cflags=["-lineinfo"],
    no_implicit_headers=True,  # nvcc would read torch's for minutes
)
values = torch.rand(512)
expected = 3 * values.reshape(4, 128).roll(-32, dims=1).flatten()
result = extension.shifted(values.cuda(), 3.0, sys.argv[1] == "right").cpu()
print("right" if torch.equal(result, expected) else "wrong")
