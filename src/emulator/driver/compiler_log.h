// What a program says about compiling and linking: only the buffers for messages matter here.
#pragma once

#include <cuda.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace slipstream::emulator::driver {

class CompilerLog {
 public:
  CompilerLog() = default;
  CompilerLog(unsigned count, const CUjit_option* options, void** values) {
    for (unsigned i = 0; i < count; ++i) {
      switch (options[i]) {
        case CU_JIT_ERROR_LOG_BUFFER:
          errors_ = static_cast<char*>(values[i]);
          break;
        case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
          error_size_ = &values[i];
          break;
        case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
          values[i] = nullptr;  // becomes how much was written: nothing
          break;
        default:
          break;
      }
    }
  }

  void write(std::string_view text) const {
    if (errors_ == nullptr || error_size_ == nullptr || *error_size_ == nullptr) return;
    const auto room = reinterpret_cast<size_t>(*error_size_);
    const size_t length = std::min(text.size(), room - 1);
    std::memcpy(errors_, text.data(), length);
    errors_[length] = '\0';
    *error_size_ = reinterpret_cast<void*>(length);  // NOLINT(performance-no-int-to-ptr)
  }

 private:
  char* errors_ = nullptr;
  void** error_size_ = nullptr;
};

}  // namespace slipstream::emulator::driver
