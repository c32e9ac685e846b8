// What the headers of the CUDA driver say, which a generated file has, and what a function that the emulator does not
// implement does.
#pragma once

#include <span>
#include <string_view>

namespace slipstream::emulator::driver {

// Says once per function on stderr that it is not supported, and returns CUDA_ERROR_NOT_SUPPORTED. An int stands for
// the CUresult: the generated file that calls this knows no CUDA header.
int answer_not_supported(const char* function) noexcept;

// What a name means from a CUDA version on (12000 for 12.0) up to that of the next row of this name.
struct EntryPoint {
  std::string_view name;
  unsigned since;
  bool per_thread;  // the variant in which a null stream is the thread's own
  void* function;
};
std::span<const EntryPoint> entry_points();

struct ErrorName {
  int code;
  const char* name;
};
std::span<const ErrorName> error_names();

}  // namespace slipstream::emulator::driver
