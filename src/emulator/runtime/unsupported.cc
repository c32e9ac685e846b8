#include "emulator/runtime/unsupported.h"

#include <fmt/format.h>

#include <cstdio>
#include <set>
#include <string_view>

#include "emulator/runtime/error.h"

namespace slipstream::emulator::runtime {

int answer_not_supported(const char* function) noexcept {
  static std::set<std::string_view> reported;
  const std::scoped_lock lock(api_lock());
  if (reported.insert(function).second) {
    std::fputs(
        fmt::format("slipstream emulator: {} is not supported by the emulated device\n", function)
            .c_str(),
        stderr);
  }
  set_last_error(cudaErrorNotSupported);
  return cudaErrorNotSupported;
}

}  // namespace slipstream::emulator::runtime
