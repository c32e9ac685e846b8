// The exceptions that Slipstream throws. User mistakes are InvalidArgument, failures of the CUDA
// runtime are CudaError, those of other ranks RankError.
#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace slipstream {

// Base of everything that Slipstream throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An argument is not what it must be. The text names the argument, what it must be and what it is;
// nothing was launched or written.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

// A call of the CUDA runtime failed. The text names the call (and the kernel, for a launch) and the
// runtime's own message.
class CudaError : public Error {
 public:
  CudaError(const std::string& what, cudaError_t code) : Error(what), code_(code) {}
  [[nodiscard]] cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

// Another rank failed, fell silent or is not there, or ranks do not fit together. The text names the
// rank and is the same on all of them.
class RankError : public Error {
 public:
  using Error::Error;
};

// Throws CudaError unless `code` is cudaSuccess. `call` says what was attempted.
void check_cuda(cudaError_t code, const std::string& call);

}  // namespace slipstream
