// One argument of an operator twice: on the host, where the reference works on it, and on the
// device.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "slipstream/tensor.h"

namespace slipstream::test {

// How a tensor lies in a Mirror.
struct Placement {
  int64_t offset = 0;            // of its first element, in elements
  std::vector<int64_t> strides;  // empty: contiguous
};

// A run of bytes with guard bytes around it on the device. Device memory is allocated at the first
// use of device(), so tests of references need no device.
class Mirror {
 public:
  // `name` is for messages.
  Mirror(std::string name, std::vector<uint8_t> bytes);
  // `count` bytes that no kernel would write by chance.
  static Mirror poisoned(std::string name, int64_t count);
  template <class T>
  static Mirror of(std::string name, const std::vector<T>& values) {
    const auto* first = reinterpret_cast<const uint8_t*>(values.data());
    return {std::move(name), std::vector<uint8_t>(first, first + values.size() * sizeof(T))};
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(initial_.size()); }

  // What the reference reads and writes.
  [[nodiscard]] std::span<uint8_t> host() { return host_; }
  template <class T>
  [[nodiscard]] T* host_as() {
    return reinterpret_cast<T*>(host_.data());
  }
  // What host() and device memory start from.
  [[nodiscard]] std::span<const uint8_t> initial() const { return initial_; }

  // Device memory and a second copy of the initial bytes there, for a kernel to produce the
  // argument from.
  [[nodiscard]] uint8_t* device();
  [[nodiscard]] const uint8_t* device_initial();
  // Nobody produces the argument: its bytes are in device memory before anything is launched, as
  // weights are.
  void make_constant() { constant_ = true; }
  [[nodiscard]] bool is_constant() const { return constant_; }

  // Overwrites device memory (all but a constant's), guards included, so that a kernel that reads
  // too early reads rubbish.
  void poison_device();
  // The device's bytes now. Fails the test where a guard byte has changed.
  [[nodiscard]] std::vector<uint8_t> download();

  // Without a device, for tests of references and checks.
  [[nodiscard]] Tensor host_tensor(DType dtype, const std::vector<int64_t>& shape,
                                   const Placement& placement = {});
  [[nodiscard]] Tensor device_tensor(DType dtype, const std::vector<int64_t>& shape,
                                     const Placement& placement = {});

 private:
  std::string name_;
  std::vector<uint8_t> initial_;
  std::vector<uint8_t> host_;
  bool constant_ = false;
  std::shared_ptr<uint8_t> device_;  // guard, bytes, guard
  std::shared_ptr<uint8_t> device_initial_;
};

// Which of a mirror's two memories a test's tensors lie in: on_host or on_device.
using Side = Tensor (*)(Mirror& mirror, DType dtype, const std::vector<int64_t>& shape,
                        const Placement& placement);
[[nodiscard]] Tensor on_host(Mirror& mirror, DType dtype, const std::vector<int64_t>& shape,
                             const Placement& placement);
[[nodiscard]] Tensor on_device(Mirror& mirror, DType dtype, const std::vector<int64_t>& shape,
                               const Placement& placement);

// A tensor at any address.
[[nodiscard]] Tensor make_tensor(void* data, DType dtype, const std::vector<int64_t>& shape,
                                 const Placement& placement = {});

}  // namespace slipstream::test
