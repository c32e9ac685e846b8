// Link-time optimization: from LTO-IR to PTX, by NVIDIA's own nvJitLink, whose library whoever makes LTO-IR has as well.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace slipstream::emulator::linker {

struct LtoInput {
  std::string name;
  std::vector<std::byte> bytes;
};

// The PTX of all inputs, without what none of their kernels uses. `options` are nvJitLinkCreate's. Throws runtime::ApiError: cudaErrorNotSupported
// where there is no such library, cudaErrorInvalidPtx with what it says otherwise.
std::string compile_lto(std::span<const LtoInput> inputs, std::span<const std::string> options);

}  // namespace slipstream::emulator::linker
