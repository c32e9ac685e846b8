// How a call fails: with a status, and a sentence on stderr that names the argument.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include "emulator/blas/cublas_types.h"

namespace slipstream::emulator::blas {

class Failure : public std::runtime_error {
 public:
  Failure(cublasStatus_t status, const std::string& sentence)
      : std::runtime_error(sentence), status_(status) {}
  [[nodiscard]] cublasStatus_t status() const { return status_; }

 private:
  cublasStatus_t status_;
};

// Writes "slipstream emulator: FUNCTION: SENTENCE" unless the sentence is empty.
void report(const char* function, const char* sentence) noexcept;

// Fails with CUBLAS_STATUS_INVALID_VALUE unless argument `name` is at least `least`.
void require_at_least(const char* name, int64_t value, int64_t least);
void require_pointer(const char* name, const void* pointer);
[[noreturn]] void refuse(const std::string& sentence);  // CUBLAS_STATUS_NOT_SUPPORTED
// Fails with CUBLAS_STATUS_EXECUTION_FAILED unless the call of the CUDA runtime was successful.
void require_cuda(cudaError_t code);

// Body of an exported function: `action` throws or returns void.
template <class Action>
cublasStatus_t answer(const char* function, Action&& action) noexcept {
  try {
    action();
    return CUBLAS_STATUS_SUCCESS;
  } catch (const Failure& failure) {
    report(function, failure.what());
    return failure.status();
  } catch (const std::bad_alloc&) {
    return CUBLAS_STATUS_ALLOC_FAILED;
  } catch (const std::exception& error) {
    report(function, error.what());
    return CUBLAS_STATUS_INTERNAL_ERROR;
  }
}

}  // namespace slipstream::emulator::blas

// What a function that is not here answers: CUBLAS_STATUS_NOT_SUPPORTED, with its name on stderr the first time.
extern "C" int slipstream_blas_not_supported(const char* function) noexcept;
