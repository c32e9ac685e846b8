#include "gpu_runner.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <memory>
#include <stdexcept>

#include "gpu_image.h"

namespace slipstream::record_vectors {
namespace {

void check(cudaError_t error, std::string_view what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  throw std::runtime_error(fmt::format("{}: {}", what, cudaGetErrorString(error)));
}

class DeviceArray {
 public:
  explicit DeviceArray(size_t bytes) : bytes_(bytes) {
    check(cudaMalloc(&data_, bytes), "cudaMalloc");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  uint64_t address() const { return reinterpret_cast<uint64_t>(data_); }
  void upload(const Bytes& bytes) {
    check(cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  Bytes download() {
    Bytes bytes(bytes_);
    check(cudaMemcpy(bytes.data(), data_, bytes_, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return bytes;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

class Library {
 public:
  explicit Library(const Form& form) {
    const std::string ptx = form_kernel(form);
    check(cudaLibraryLoadData(&library_, ptx.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0),
          form.text);
    check(cudaLibraryGetKernel(&kernel_, library_, kKernelName), form.text);
  }
  ~Library() { cudaLibraryUnload(library_); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const void* kernel() const { return kernel_; }

 private:
  cudaLibrary_t library_ = nullptr;
  cudaKernel_t kernel_ = nullptr;
};

}  // namespace

std::vector<Bytes> run_on_gpu(const Form& form, const std::vector<Bytes>& operands,
                              unsigned count) {
  std::vector<std::unique_ptr<DeviceArray>> arrays;
  Buffers buffers{};
  for (size_t i = 0; i < operands.size(); ++i) {
    arrays.push_back(std::make_unique<DeviceArray>(operands[i].size()));
    arrays.back()->upload(operands[i]);
    buffers.operands[i] = arrays.back()->address();
  }
  const std::vector<std::string> types = split_words(form.results);
  for (size_t i = 0; i < types.size(); ++i) {
    arrays.push_back(std::make_unique<DeviceArray>(size_t{count} * register_bytes(types[i])));
    buffers.results[i] = arrays.back()->address();
  }
  const auto spec = image_of(form);
  const auto image = spec ? std::make_unique<GpuImage>(*spec) : nullptr;
  buffers.image = image == nullptr ? 0 : image->handle();
  const Library library(form);
  void* arguments[] = {&buffers};
  check(cudaLaunchKernel(library.kernel(), dim3(count / kThreads), dim3(kThreads), arguments, 0,
                         nullptr),
        form.text);
  check(cudaDeviceSynchronize(), form.text);
  std::vector<Bytes> results;
  for (size_t i = 0; i < types.size(); ++i) {
    results.push_back(arrays[operands.size() + i]->download());
  }
  return results;
}

void reset_gpu() { cudaDeviceReset(); }

std::string describe_gpu() {
  cudaDeviceProp properties{};
  int driver = 0;
  int runtime = 0;
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  return fmt::format("{}, driver for CUDA {}.{}, runtime {}.{}", properties.name, driver / 1000,
                     driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

}  // namespace slipstream::record_vectors
