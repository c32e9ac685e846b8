#include "code/compression.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "code/byte_reader.h"

namespace slipstream::code {
namespace {

// Output grows with what was really decompressed, so that a wrong size in a header costs no memory.
constexpr size_t kChunk = size_t{1} << 17;

class Lz4Decoder {
 public:
  Lz4Decoder(std::span<const std::byte> compressed, uint64_t size, uint64_t offset)
      : reader_(compressed, "LZ4 data", offset), size_(size) {}

  std::string decode() {
    while (output_.size() < size_) {
      const auto token = next<uint8_t>();
      copy_literals(extended_length(token >> 4));
      if (output_.size() < size_) {
        const auto distance = next<uint16_t>();
        copy_match(distance, extended_length(token & kLengthMask) + kShortestMatch);
      }
    }
    return std::move(output_);
  }

 private:
  static constexpr uint64_t kLengthMask = 15;
  static constexpr uint64_t kShortestMatch = 4;

  template <class T>
  T next() {
    const T value = reader_.read<T>(at_);
    at_ += sizeof(T);
    return value;
  }

  // A length of 15 is continued by further bytes, the last of which is below 255.
  uint64_t extended_length(uint64_t length) {
    if (length != kLengthMask) return length;
    uint8_t more = 0;
    do {
      more = next<uint8_t>();
      length += more;
    } while (more == UINT8_MAX);
    return length;
  }

  void check_room(uint64_t length) const {
    if (length > size_ - output_.size()) {
      reader_.fail(fmt::format("the data must decompress to {} bytes, not more", size_), at_);
    }
  }

  void copy_literals(uint64_t length) {
    check_room(length);
    const std::span<const std::byte> literals = reader_.slice(at_, length);
    output_.append(reinterpret_cast<const char*>(literals.data()), literals.size());
    at_ += length;
  }

  // The match may overlap what it produces.
  void copy_match(uint64_t distance, uint64_t length) {
    check_room(length);
    if (distance == 0 || distance > output_.size()) {
      reader_.fail(
          fmt::format("a match must reach back at most {} bytes, not {}", output_.size(), distance),
          at_);
    }
    for (uint64_t i = 0; i < length; ++i) output_.push_back(output_[output_.size() - distance]);
  }

  ByteReader reader_;
  uint64_t size_;
  uint64_t at_ = 0;
  std::string output_;
};

}  // namespace

void DecompressionLimit::take(uint64_t bytes_in_file, uint64_t bytes, uint64_t offset) {
  const uint64_t most = std::min(left_, allowed(bytes_in_file));
  if (bytes > most) {
    throw FormatError(fmt::format("{} bytes must decompress to at most {}, say that they are {}",
                                  bytes_in_file, most, bytes),
                      offset);
  }
  left_ -= bytes;
}

std::string decompress_zstd(std::span<const std::byte> compressed, uint64_t size, uint64_t offset) {
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                        &ZSTD_freeDStream);
  ZSTD_inBuffer input{compressed.data(), compressed.size(), 0};
  std::string output;
  size_t rest = 1;  // 0 at the end of the frame
  while (rest != 0) {
    const size_t start = output.size();
    output.resize(start + std::min<uint64_t>(kChunk, size - start + 1));
    ZSTD_outBuffer chunk{output.data() + start, output.size() - start, 0};
    const size_t input_before = input.pos;
    rest = ZSTD_decompressStream(stream.get(), &chunk, &input);
    output.resize(start + chunk.pos);
    const bool stuck = chunk.pos == 0 && input.pos == input_before;
    if (ZSTD_isError(rest) != 0 || (rest != 0 && stuck) || output.size() > size) {
      throw FormatError(
          fmt::format("zstd data must decompress to {} bytes: {}", size,
                      ZSTD_isError(rest) != 0 ? ZSTD_getErrorName(rest) : "it has another size"),
          offset + input.pos);
    }
  }
  if (output.size() != size) {
    throw FormatError(
        fmt::format("zstd data must decompress to {} bytes, not {}", size, output.size()), offset);
  }
  return output;
}

std::string decompress_lz4(std::span<const std::byte> compressed, uint64_t size, uint64_t offset) {
  return Lz4Decoder(compressed, size, offset).decode();
}

}  // namespace slipstream::code
