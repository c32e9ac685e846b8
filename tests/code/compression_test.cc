#include "code/compression.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <vector>

#include "code/byte_reader.h"

namespace slipstream::code {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string compress(const std::string& text) {
  std::string compressed(ZSTD_compressBound(text.size()), '\0');
  compressed.resize(
      ZSTD_compress(compressed.data(), compressed.size(), text.data(), text.size(), 3));
  return compressed;
}

TEST(Zstd, IgnoresPaddingAfterTheFrame) {
  const std::string text(300000, 'x');
  const std::string padded = compress(text) + std::string(7, '\0');
  EXPECT_EQ(decompress_zstd(bytes_of(padded), text.size(), 0), text);
}

TEST(Zstd, RejectsAnotherSizeThanStated) {
  const std::string compressed = compress(std::string(1000, 'x'));
  EXPECT_THROW(decompress_zstd(bytes_of(compressed), 999, 0), FormatError);
  EXPECT_THROW(decompress_zstd(bytes_of(compressed), 1001, 0), FormatError);
  EXPECT_THROW(decompress_zstd(bytes_of(compressed), UINT64_MAX, 0), FormatError);
}

TEST(DecompressionLimit, IsAHundredfoldOfTheImageAndOfTheFile) {
  constexpr uint64_t kAlways = 64 << 20;
  constexpr uint64_t kMega = 1 << 20;
  DecompressionLimit limit(2 * kMega);
  EXPECT_THROW(limit.take(kMega, kAlways + 100 * kMega + 1, 7), FormatError);
  limit.take(kMega, kAlways + 100 * kMega, 7);
  limit.take(kMega, 100 * kMega, 7);
  try {
    limit.take(kMega, 1, 7);
    ADD_FAILURE() << "more than the file may have";
  } catch (const FormatError& error) {
    EXPECT_EQ(error.offset(), 7U);
    EXPECT_NE(std::string(error.what()).find("must decompress to at most 0, say that they are 1"),
              std::string::npos);
  }
}

TEST(Zstd, RejectsATruncatedFrame) {
  const std::string compressed = compress("some text that is not very long");
  EXPECT_THROW(decompress_zstd(bytes_of(compressed.substr(0, compressed.size() - 4)), 31, 0),
               FormatError);
}

TEST(Lz4, CopiesOverlappingMatches) {
  // Two literals "ab", then a match of 4 + 6 bytes at distance 2, then "!" as the last literal.
  const std::string block(
      "\x26"
      "ab"
      "\x02\x00"
      "\x10!",
      7);
  EXPECT_EQ(decompress_lz4(bytes_of(block), 13, 0), "abababababab!");
}

TEST(Lz4, ReadsLongLengths) {
  // 15 + 255 + 30 literals.
  std::string block("\xf0\xff\x1e", 3);
  const std::string literals(300, 'q');
  EXPECT_EQ(decompress_lz4(bytes_of(block + literals), 300, 0), literals);
}

TEST(Lz4, RejectsAMatchBeforeTheStart) {
  const std::string block(
      "\x10"
      "a"
      "\x02\x00",
      4);
  EXPECT_THROW(decompress_lz4(bytes_of(block), 100, 0), FormatError);
}

TEST(Lz4, RejectsMoreThanStatedAndTooLittleInput) {
  const std::string block(
      "\x26"
      "ab"
      "\x02\x00"
      "\x10!",
      7);
  EXPECT_THROW(decompress_lz4(bytes_of(block), 11, 0), FormatError);
  EXPECT_THROW(decompress_lz4(bytes_of(block), 14, 0), FormatError);
  EXPECT_THROW(decompress_lz4(bytes_of(block.substr(0, 4)), 13, 0), FormatError);
}

}  // namespace
}  // namespace slipstream::code
