// What a function of the CUDA runtime that the emulator does not implement does.
#pragma once

namespace slipstream::emulator::runtime {

// Says once per function on stderr that it is not supported, and returns cudaErrorNotSupported
// after making it the thread's last error. An int stands for the cudaError_t: the generated file
// that calls this knows no CUDA header.
int answer_not_supported(const char* function) noexcept;

}  // namespace slipstream::emulator::runtime
