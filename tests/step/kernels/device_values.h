// Arrays of a kernel test in device memory.
#pragma once

#include <vector>

#include "pdl/device_buffer.h"

namespace slipstream::step::test {

template <class T>
class DeviceValues {
 public:
  explicit DeviceValues(const std::vector<T>& values)
      : size_(values.size()), buffer_(values.size() * sizeof(T)) {
    buffer_.copy_from_host(values.data(), values.size() * sizeof(T));
  }
  explicit DeviceValues(size_t size) : DeviceValues(std::vector<T>(size)) {}

  [[nodiscard]] T* data() const { return static_cast<T*>(buffer_.data()); }
  [[nodiscard]] std::vector<T> download() const {
    std::vector<T> values(size_);
    buffer_.copy_to_host(values.data(), size_ * sizeof(T));
    return values;
  }

 private:
  size_t size_;
  DeviceBuffer buffer_;
};

}  // namespace slipstream::step::test
