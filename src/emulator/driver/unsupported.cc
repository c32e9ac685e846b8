#include <cuda.h>

#include <cstdio>
#include <mutex>
#include <set>
#include <string_view>

#include "emulator/driver/tables.h"

namespace slipstream::emulator::driver {

int answer_not_supported(const char* function) noexcept {
  static std::mutex mutex;
  static std::set<std::string_view> reported;
  const std::scoped_lock lock(mutex);
  if (reported.insert(function).second) {
    std::fprintf(stderr, "slipstream emulator: %s is not supported by the emulated driver\n",
                 function);
  }
  return CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace slipstream::emulator::driver
