// Device code as nvcc packs it: fat binaries as files, inside programs and libraries, and as
// programs register them with the runtime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "code/byte_reader.h"

namespace slipstream::code {

enum class ImageKind : uint8_t { kPtx, kElf };

// What follows the number in "sm_90a" or "compute_100f".
enum class ArchitectureSuffix : char { kNone = ' ', kSpecific = 'a', kFamily = 'f' };

struct Image {
  ImageKind kind = ImageKind::kPtx;
  uint32_t architecture = 0;  // 90 for sm_90a
  ArchitectureSuffix suffix = ArchitectureSuffix::kNone;
  uint32_t version = 0;     // PTX ISA or cubin version: 90 for 9.0
  bool compressed = false;  // in the file; `bytes` never is
  uint32_t fat_binary = 0;  // which of the file's it is in, in their order
  bool beside_ptx = false;  // PTX is in the same fat binary
  std::string source_name;  // "kernels.cu", where nvcc kept it
  std::string options;      // what ptxas was given, where nvcc kept it
  std::string bytes;        // PTX text without trailing NUL bytes, or a cubin
};

// "sm_90a" for ELF, "compute_90a" for PTX.
std::string architecture_name(const Image& image);

// Every function below throws FormatError where the bytes are not what they must be.

// One fat binary or several in a row, with zero padding between them.
std::vector<Image> read_fat_binaries(std::span<const std::byte> bytes, std::string_view what);

// Any file with device code: program, library or object of the host, fat binary, cubin, PTX text, linked PTX (whose parts
// count as fat binaries). `visit` gets its images one after the other, of which only one is in memory at a time.
using ImageVisitor = std::function<void(Image&& image)>;
void visit_images(std::span<const std::byte> bytes, std::string_view what,
                  const ImageVisitor& visit);
// The same, all at once.
std::vector<Image> read_images(std::span<const std::byte> bytes, std::string_view what);
std::vector<Image> read_image_file(const std::string& path);

// Reads what `wrapper` leads to, the pointer that nvcc's host code passes to __cudaRegisterFatBinary: the images of one
// fat binary, or with relocatable device code those of each object of the program, to be linked with each other.
std::vector<std::vector<Image>> read_registered_images(const void* wrapper);
// The same for any device code in memory of which only the first byte is known: what nvcc's host code registers, but not
// for linking, a fat binary, a cubin, or PTX text that ends in a NUL byte.
std::vector<Image> read_images_at(const void* code);

}  // namespace slipstream::code
