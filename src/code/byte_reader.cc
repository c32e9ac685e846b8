#include "code/byte_reader.h"

#include <fmt/format.h>

namespace slipstream::code {

FormatError::FormatError(const std::string& what, uint64_t offset)
    : std::runtime_error(fmt::format("{} (at byte {})", what, offset)), offset_(offset) {}

std::string_view ByteReader::text(uint64_t offset) const {
  const std::span<const std::byte> rest = slice(offset, bytes_.size() - std::min(offset, size()));
  const auto* start = reinterpret_cast<const char*>(rest.data());
  const void* stop = rest.empty() ? nullptr : std::memchr(start, 0, rest.size());
  if (stop == nullptr) fail("a name must end with a NUL byte", offset);
  return {start, static_cast<size_t>(static_cast<const char*>(stop) - start)};
}

void ByteReader::fail(const std::string& what, uint64_t offset) const {
  throw FormatError(fmt::format("{}: {}", what_, what), base_ + offset);
}

void ByteReader::fail_bounds(uint64_t offset, uint64_t size) const {
  fail(fmt::format("{} bytes at {} must lie within its {} bytes", size, offset, bytes_.size()),
       offset);
}

}  // namespace slipstream::code
