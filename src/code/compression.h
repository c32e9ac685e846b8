// The compressions that nvcc uses for device code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace slipstream::code {

// What a file may decompress to: a few bytes could stand for gigabytes.
class DecompressionLimit {
 public:
  explicit DecompressionLimit(uint64_t file_bytes) : left_(allowed(file_bytes)) {}

  // Throws FormatError with `offset` where an image is more than a hundred times as large as it is in
  // the file, or all of them together are that of the file. 64 MiB are always allowed.
  void take(uint64_t bytes_in_file, uint64_t bytes, uint64_t offset);

 private:
  static constexpr uint64_t kAlways = uint64_t{64} << 20;
  static constexpr uint64_t kRatio = 100;
  static uint64_t allowed(uint64_t bytes_in_file) { return kAlways + kRatio * bytes_in_file; }

  uint64_t left_;
};

// Both decompress to exactly `size` bytes, and throw FormatError with `offset` where the data does
// not. A zstd frame may be followed by padding.
std::string decompress_zstd(std::span<const std::byte> compressed, uint64_t size, uint64_t offset);
// One LZ4 block, without LZ4's own framing.
std::string decompress_lz4(std::span<const std::byte> compressed, uint64_t size, uint64_t offset);

}  // namespace slipstream::code
