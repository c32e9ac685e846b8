// An open file, closed with the object.
#pragma once

#include <unistd.h>

#include <utility>

namespace slipstream::io {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor() {
    if (is_open()) close(value_);
  }
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, kNone)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  [[nodiscard]] bool is_open() const { return value_ != kNone; }
  [[nodiscard]] int value() const { return value_; }

 private:
  static constexpr int kNone = -1;
  int value_ = kNone;
};

}  // namespace slipstream::io
