// Memory on a cache line boundary, filled with one value.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace slipstream::emulator {

class AlignedBuffer {
 public:
  static constexpr std::align_val_t kAlignment{128};

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes, std::byte value = {})
      : bytes_(bytes), data_(static_cast<std::byte*>(::operator new(bytes, kAlignment))) {
    std::memset(data_.get(), std::to_integer<int>(value), bytes);
  }

  std::byte* data() { return data_.get(); }
  size_t size() const { return bytes_; }

 private:
  struct Deleter {
    void operator()(std::byte* data) const { ::operator delete(data, kAlignment); }
  };

  size_t bytes_ = 0;
  std::unique_ptr<std::byte, Deleter> data_;
};

}  // namespace slipstream::emulator
