// What a handle holds, and how the functions put their work into its stream.
#pragma once

#include <functional>
#include <vector>

#include "emulator/blas/cublas_types.h"
#include "emulator/blas/failure.h"
#include "emulator/blas/product.h"
#include "emulator/runtime/library_call.h"

struct cublasContext {
  int device = 0;
  cudaStream_t stream = nullptr;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
  cublasAtomicsMode_t atomics_mode = CUBLAS_ATOMICS_NOT_ALLOWED;
  cublasMath_t math_mode = CUBLAS_DEFAULT_MATH;
  int multiprocessors = 0;  // that the program wants used: without effect
};

namespace slipstream::emulator::blas {

// Throws Failure CUBLAS_STATUS_NOT_INITIALIZED for none.
cublasContext& context_of(cublasHandle_t handle);

// A scalar that the program gives by a pointer to its own memory or, in pointer mode device, the device's. The former is
// read at once.
class Scalar {
 public:
  Scalar(const char* name, const void* pointer, cudaDataType type, bool is_on_device);

  [[nodiscard]] bool is_known() const { return !is_on_device_; }
  [[nodiscard]] std::complex<double> value() const;  // now
  [[nodiscard]] runtime::MemoryUse use() const;

 private:
  const char* name_;
  const void* pointer_;
  cudaDataType type_;
  bool is_on_device_;
  std::complex<double> value_;
};

// Puts products into the stream. `known`: memory that `make` reads, where it can be called only then.
void enqueue_products(const char* function, cudaStream_t stream,
                      std::vector<runtime::MemoryUse> known,
                      std::function<std::vector<Product>()> make);
void enqueue(cudaStream_t stream, runtime::LibraryCall call);
// Waits for what was put into it.
void wait_for(cudaStream_t stream);

}  // namespace slipstream::emulator::blas
