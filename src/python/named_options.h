// Options that Python gives by name, as one dictionary.
#pragma once

#include <fmt/format.h>
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/map.h>
#include <tvm/ffi/tvm_ffi.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "slipstream/error.h"

namespace slipstream::python {

using Integers = tvm::ffi::Array<int64_t>;
using OptionMap = tvm::ffi::Map<tvm::ffi::String, tvm::ffi::Any>;

// What Slipstream takes as an int. Throws InvalidArgument where it is none.
inline int to_int(const std::string& name, int64_t value) {
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    throw InvalidArgument(fmt::format("{} must be an integer of 32 bits, is {}", name, value));
  }
  return static_cast<int>(value);
}

inline std::vector<int> to_ints(const std::string& name, const Integers& values) {
  std::vector<int> result;
  result.reserve(values.size());
  for (const int64_t value : values) result.push_back(to_int(name, value));
  return result;
}

// Reads a dictionary, in which None counts as not given.
class NamedOptions {
 public:
  NamedOptions(std::string owner, OptionMap options)
      : owner_(std::move(owner)), options_(std::move(options)) {}

  // Leaves `value` as it is where the option is not given.
  void read(const char* name, int& value) {
    if (const auto given = find<int64_t>(name, "an integer")) value = to_int(name, *given);
  }
  void read(const char* name, int64_t& value) {
    if (const auto given = find<int64_t>(name, "an integer")) value = *given;
  }
  void read(const char* name, uint64_t& value) {  // the same 64 bits
    if (const auto given = find<int64_t>(name, "an integer")) value = static_cast<uint64_t>(*given);
  }
  void read(const char* name, bool& value) {
    if (const auto given = find<bool>(name, "True or False")) value = *given;
  }
  void read(const char* name, float& value) {
    if (const auto given = find<double>(name, "a number")) value = static_cast<float>(*given);
  }
  void read(const char* name, double& value) {
    if (const auto given = find<double>(name, "a number")) value = *given;
  }
  void read(const char* name, std::string& value) {
    if (const auto given = find<std::string>(name, "a string")) value = *given;
  }
  void read(const char* name, std::vector<int>& value) {
    if (const auto given = find<Integers>(name, "a list of integers"))
      value = to_ints(name, *given);
  }
  void read(const char* name, std::optional<float>& value) {
    if (const auto given = find<double>(name, "a number")) value = static_cast<float>(*given);
  }
  template <class T>
  std::optional<T> find(const char* name, const char* what) {
    const auto found = options_.find(name);
    if (found == options_.end()) return std::nullopt;
    const tvm::ffi::Any value = (*found).second;
    if (value.type_index() == tvm::ffi::TypeIndex::kTVMFFINone) return std::nullopt;
    if (auto result = value.try_cast<T>()) return *std::move(result);
    throw InvalidArgument(
        fmt::format("{}: {} must be {}, is of type {}", owner_, name, what, value.GetTypeKey()));
  }

 private:
  std::string owner_;
  OptionMap options_;
};

}  // namespace slipstream::python
