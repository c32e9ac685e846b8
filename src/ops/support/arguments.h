// Checks of an operator's arguments, made before anything is launched. Every failure throws
// InvalidArgument whose text names the operator and the argument, what it must be and what it is.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "slipstream/tensor.h"

namespace slipstream::ops {

// How many slots of a cache, tokens, ...: the value with the words that say where it comes from.
struct Expected {
  int64_t value;
  const char* reason;  // "as hidden_states has", "kv_lora_rank"; may be ""
};

// Where an operator's tensors must live. The references take host memory; everything else is
// checked alike.
enum class MemoryPlace : uint8_t { kDevice, kHost };

class Arguments {
 public:
  explicit Arguments(const char* operator_name, MemoryPlace place = MemoryPlace::kDevice)
      : operator_name_(operator_name), place_(place) {}

  // Throws with the text "<operator>: <argument> must be <must_be>, is <is>".
  [[noreturn]] void reject(const char* argument, const std::string& must_be,
                           const std::string& is) const;

  void rank(const char* argument, const Tensor& tensor, std::initializer_list<int> ranks) const;
  void dtype(const char* argument, const Tensor& tensor,
             std::initializer_list<DType> allowed) const;
  // tensor.shape[axis] == expected.value
  void size(const char* argument, const Tensor& tensor, int axis, Expected expected) const;
  // low <= value <= high
  void range(const char* argument, int64_t value, int64_t low, int64_t high) const;
  void multiple(const char* argument, int64_t value, int64_t factor) const;
  // The elements of the last axis lie side by side.
  void last_axis_contiguous(const char* argument, const Tensor& tensor) const;
  void contiguous(const char* argument, const Tensor& tensor) const;
  // The address, and every stride but the last axis's, are multiples of `bytes`.
  void aligned(const char* argument, const Tensor& tensor, int64_t bytes) const;
  // Device (or managed) memory: not null unless empty, at a multiple of the element's size, not a
  // host pointer. For MemoryPlace::kHost all but the last.
  void on_device(const char* argument, const Tensor& tensor) const;
  // No byte belongs to both: a kernel reads one while it writes the other. Slices of one array may
  // interleave.
  void disjoint(const char* argument, const Tensor& tensor, const char* other_argument,
                const Tensor& other) const;
  // No two elements of `tensor` share an address (a stride of zero, rows closer than a row is
  // long).
  void no_self_overlap(const char* argument, const Tensor& tensor) const;

 private:
  const char* operator_name_;
  MemoryPlace place_;
};

}  // namespace slipstream::ops
