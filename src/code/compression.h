// The compressions that nvcc uses for device code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace slipstream::code {

// Both decompress to exactly `size` bytes, and throw FormatError with `offset` where the data does
// not. A zstd frame may be followed by padding.
std::string decompress_zstd(std::span<const std::byte> compressed, uint64_t size, uint64_t offset);
// One LZ4 block, without LZ4's own framing.
std::string decompress_lz4(std::span<const std::byte> compressed, uint64_t size, uint64_t offset);

}  // namespace slipstream::code
