// Links device code as nvlink, nvJitLink and cuLink* do, but of PTX, and to PTX: the parts stay as they are, next to each
// other in one text, which the emulated driver loads where it would load a cubin.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "code/linked_ptx.h"
#include "emulator/linker/lto.h"
#include "emulator/runtime/image.h"

namespace slipstream::emulator::linker {

class DeviceLink {
 public:
  // Those of nvJitLinkCreate, for link-time optimization.
  explicit DeviceLink(std::vector<std::string> options) : options_(std::move(options)) {}

  // Device code in any form that holds PTX; `name` is for messages. Throws runtime::ApiError:
  // cudaErrorNoKernelImageForDevice for code without PTX, cudaErrorNotSupported for archives, cudaErrorInvalidPtx for PTX
  // that does not parse. LTO-IR becomes PTX in the end.
  void add(std::span<const std::byte> code, const std::string& name);
  void add_file(const std::string& path);
  // The linked text. Throws cudaErrorInvalidPtx where names are missing or there twice, or compile_lto() fails.
  const std::string& complete();

 private:
  void add_part(code::Image image, const std::string& name);
  void add_optimized();

  std::vector<std::string> options_;
  std::vector<LtoInput> lto_inputs_;
  runtime::PtxModules modules_;
  std::vector<code::PtxPart> parts_;
  std::string image_;
};

}  // namespace slipstream::emulator::linker
