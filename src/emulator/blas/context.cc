#include "emulator/blas/context.h"

#include <cuda_runtime_api.h>

#include <memory>
#include <utility>

#include "emulator/blas/elements.h"

namespace slipstream::emulator::blas {

cublasContext& context_of(cublasHandle_t handle) {
  if (handle == nullptr) {
    throw Failure(CUBLAS_STATUS_NOT_INITIALIZED,
                  "the handle must be one of cublasCreate, it is null");
  }
  return *handle;
}

Scalar::Scalar(const char* name, const void* pointer, cudaDataType type, bool is_on_device)
    : name_(name), pointer_(pointer), type_(type), is_on_device_(is_on_device) {
  require_pointer(name, pointer);
  if (!is_on_device) value_ = load_scalar(pointer, type);
}

std::complex<double> Scalar::value() const {
  return is_on_device_ ? load_scalar(pointer_, type_) : value_;
}

runtime::MemoryUse Scalar::use() const {
  return use_of(name_, vector(pointer_, type_, 1, 1), false);
}

void enqueue(cudaStream_t stream, runtime::LibraryCall call) {
  require_cuda(slipstream_enqueue_library_call(stream, &call));
}

void enqueue_products(const char* function, cudaStream_t stream,
                      std::vector<runtime::MemoryUse> known,
                      std::function<std::vector<Product>()> make) {
  const auto products = std::make_shared<std::vector<Product>>();
  const auto make_and_list = [products, make = std::move(make)] {
    *products = make();
    std::vector<runtime::MemoryUse> uses;
    for (const Product& product : *products) {
      const auto more = uses_of(product);
      uses.insert(uses.end(), more.begin(), more.end());
    }
    return uses;
  };
  runtime::LibraryCall call;
  call.function = function;
  if (known.empty()) {
    call.uses = make_and_list();
  } else {
    call.uses = std::move(known);
    call.further_uses = make_and_list;
  }
  call.run = [products] {
    for (const Product& product : *products) {
      if (!product.d.empty()) run(product);
    }
  };
  enqueue(stream, std::move(call));
}

void wait_for(cudaStream_t stream) { require_cuda(cudaStreamSynchronize(stream)); }

}  // namespace slipstream::emulator::blas
