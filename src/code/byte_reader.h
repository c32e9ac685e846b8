// Bounds-checked reading of binary files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace slipstream::code {

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// A binary file that is not what it claims to be, and where.
class FormatError : public std::runtime_error {
 public:
  FormatError(const std::string& what, uint64_t offset);
  [[nodiscard]] uint64_t offset() const { return offset_; }

 private:
  uint64_t offset_;
};

class ByteReader {
 public:
  // `what` names the file or part in messages; `base` is added to the offsets there.
  ByteReader(std::span<const std::byte> bytes, std::string_view what, uint64_t base = 0)
      : bytes_(bytes), what_(what), base_(base) {}

  [[nodiscard]] uint64_t size() const { return bytes_.size(); }

  template <class T>
  [[nodiscard]] T read(uint64_t offset) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, slice(offset, sizeof(T)).data(), sizeof(T));
    return value;
  }
  // Fails unless [offset, offset + size) is inside.
  void require(uint64_t offset, uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) fail_bounds(offset, size);
  }
  [[nodiscard]] std::span<const std::byte> slice(uint64_t offset, uint64_t size) const {
    require(offset, size);
    return bytes_.subspan(offset, size);
  }
  [[nodiscard]] ByteReader sub_reader(uint64_t offset, uint64_t size, std::string_view what) const {
    return {slice(offset, size), what, base_ + offset};
  }
  // The text at `offset` up to a NUL byte, which must be there.
  [[nodiscard]] std::string_view text(uint64_t offset) const;
  [[noreturn]] void fail(const std::string& what, uint64_t offset) const;

 private:
  [[noreturn]] void fail_bounds(uint64_t offset, uint64_t size) const;

  std::span<const std::byte> bytes_;
  std::string_view what_;
  uint64_t base_;
};

}  // namespace slipstream::code
