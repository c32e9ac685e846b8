// Any bytes are either device code or a FormatError: fat binaries, ELF files, cubins and the
// compressed data in them.
#include <cstddef>
#include <cstdint>
#include <span>

#include "emulator/ptx/cubin.h"
#include "emulator/ptx/fatbin.h"

namespace ptx = slipstream::emulator::ptx;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    for (const ptx::Image& image : ptx::read_images(std::as_bytes(std::span(data, size)), "fuzz")) {
      if (image.kind == ptx::ImageKind::kElf) {
        ptx::read_cubin(std::as_bytes(std::span(image.bytes)), "fuzz.cubin");
      }
    }
  } catch (const ptx::FormatError&) {
    return 0;
  }
  return 0;
}
