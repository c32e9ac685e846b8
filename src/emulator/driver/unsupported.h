// What a function of the CUDA driver that the emulator does not implement does.
#pragma once

namespace slipstream::emulator::driver {

// Says once per function on stderr that it is not supported, and returns
// CUDA_ERROR_NOT_SUPPORTED. An int stands for the CUresult: the generated file that calls this
// knows no CUDA header.
int answer_not_supported(const char* function) noexcept;

}  // namespace slipstream::emulator::driver
