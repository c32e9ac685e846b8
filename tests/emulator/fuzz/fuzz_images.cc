// Any bytes are either device code or a FormatError: fat binaries, ELF files, cubins and the
// compressed data in them.
#include <cstddef>
#include <cstdint>
#include <span>

#include "code/fatbin.h"
#include "code/sass/cubin.h"

namespace code = slipstream::code;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    for (const code::Image& image :
         code::read_images(std::as_bytes(std::span(data, size)), "fuzz")) {
      if (image.kind == code::ImageKind::kElf) {
        slipstream::sass::read_cubin(std::as_bytes(std::span(image.bytes)), "fuzz.cubin");
      }
    }
  } catch (const code::FormatError&) {
    return 0;
  }
  return 0;
}
