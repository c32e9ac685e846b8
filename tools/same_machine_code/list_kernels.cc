// Prints "hash name" of every kernel in the machine code of the files given: what compare.py reads.
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "code/fatbin.h"
#include "code/sass/cubin.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    for (const slipstream::code::Image& image : slipstream::code::read_image_file(argv[i])) {
      if (image.kind != slipstream::code::ImageKind::kElf) continue;
      const auto cubin =
          slipstream::sass::read_cubin(std::as_bytes(std::span(image.bytes)), argv[i]);
      for (const slipstream::sass::Kernel& kernel : cubin.kernels) {
        const std::string_view code(reinterpret_cast<const char*>(kernel.text.data()),
                                    kernel.text.size());
        std::printf("%zu.%016zx %s\n", code.size(), std::hash<std::string_view>{}(code),
                    kernel.name.c_str());
      }
    }
  }
  return 0;
}
