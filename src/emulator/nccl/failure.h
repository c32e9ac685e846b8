// How a call fails: with a result and a sentence, which ncclGetLastError() gives.
#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

#include "emulator/nccl/nccl_types.h"

namespace slipstream::emulator::nccl {

class Failure : public std::runtime_error {
 public:
  Failure(ncclResult_t result, const std::string& sentence)
      : std::runtime_error(sentence), result_(result) {}
  [[nodiscard]] ncclResult_t result() const { return result_; }

 private:
  ncclResult_t result_;
};

inline void require_cuda(cudaError_t code, const std::string& what) {
  if (code == cudaSuccess) return;
  throw Failure(ncclUnhandledCudaError, what + ": " + cudaGetErrorString(code));
}

// The sentence of the last failed call in this thread.
const std::string& last_sentence();
void set_last_sentence(const std::string& sentence);

// Body of an exported function: `action` throws or returns its result.
template <class Action>
ncclResult_t api(const char* function, Action&& action) noexcept {
  try {
    return action();
  } catch (const Failure& failure) {
    set_last_sentence(std::string(function) + ": " + failure.what());
    return failure.result();
  } catch (const std::exception& error) {
    set_last_sentence(std::string(function) + ": " + error.what());
    return ncclInternalError;
  }
}

}  // namespace slipstream::emulator::nccl
