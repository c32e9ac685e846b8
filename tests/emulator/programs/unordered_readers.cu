// Wrong on purpose: each kernel reads what the one before writes, and does not wait for it. Prints
// for each launch how many threads saw the new value; the schedule decides.
#include "program.h"

constexpr int kThreads = 32;
constexpr int kBlocks = 4;
constexpr int kCount = kBlocks * kThreads;
constexpr int kLaunches = 24;

__global__ void read_and_write(const volatile int* in, volatile int* out, int* new_values,
                               int launch) {
  cudaTriggerProgrammaticLaunchCompletion();
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (in[kCount - 1 - i] == launch - 1) atomicAdd(&new_values[launch], 1);
  out[i] = launch;
  cudaGridDependencySynchronize();
}

int main() {
  int* first = to_device(std::vector<int>(kCount, 0));
  int* second = to_device(std::vector<int>(kCount, 0));
  int* new_values = to_device(std::vector<int>(kLaunches + 1, 0));
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  check(cudaDeviceSynchronize(), "fills");
  for (int launch = 1; launch <= kLaunches; ++launch) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = dim3(kBlocks);
    configuration.blockDim = dim3(kThreads);
    configuration.stream = stream;
    configuration.attrs = &attribute;
    configuration.numAttrs = 1;
    int* in = launch % 2 == 1 ? first : second;
    int* out = launch % 2 == 1 ? second : first;
    check(cudaLaunchKernelEx(&configuration, read_and_write, in, out, new_values, launch),
          "launch");
  }
  check(cudaStreamSynchronize(stream), "synchronize");
  for (const int count : to_host(new_values, kLaunches + 1)) std::printf("%d ", count);
  std::printf("\n");
  return 0;
}
