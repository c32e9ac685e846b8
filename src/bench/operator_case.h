// The operators with inputs of a decode step, for `slipstream bench ops`: how to launch each, what
// it must move, and whether its result is right.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pdl/device_buffer.h"
#include "slipstream/launch.h"
#include "slipstream/tensor.h"

namespace slipstream::bench {

// One argument: the bytes on the host, where the reference works, and several copies on the device,
// so that a chain of launches finds cold memory.
class RotatingArgument {
 public:
  RotatingArgument(std::vector<uint8_t> bytes, int copies);

  [[nodiscard]] Tensor host(DType dtype, std::initializer_list<int64_t> shape);
  // Copy `launch` modulo the number of copies.
  [[nodiscard]] Tensor device(int launch, DType dtype, std::initializer_list<int64_t> shape) const;

  // Copy 0 starts again from the host's bytes, which a reference may have changed since; call
  // before the reference runs.
  void reset_first_copy();
  // Bytes of the first copy, after a launch.
  [[nodiscard]] std::vector<uint8_t> download_first_copy() const;
  [[nodiscard]] const std::vector<uint8_t>& host_bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t pitch_;
  int copies_;
  DeviceBuffer device_;
};

// How far an output may be from the reference.
struct Accuracy {
  double norm_error = 0;  // norm of the difference over norm of the reference; 0: every byte equal
  DType dtype = DType::kUInt8;
};

struct OperatorCase {
  std::string name;
  int tokens;
  double bytes;  // that have to be read or written once
  std::function<void(int launch, const pdl::LaunchOptions&)> launch;
  std::function<void()> reference;         // on the host's bytes
  std::vector<RotatingArgument*> written;  // by the operator: compared after launch 0
  Accuracy accuracy;
};

// Every operator at the shapes of one rank of DeepSeek-V3.2 (TP8), in the order of a decode step.
// Owns the arguments.
class OperatorCases {
 public:
  explicit OperatorCases(int tokens);
  ~OperatorCases();
  OperatorCases(const OperatorCases&) = delete;
  OperatorCases& operator=(const OperatorCases&) = delete;

  [[nodiscard]] const std::vector<OperatorCase>& all() const { return cases_; }

 private:
  std::vector<std::unique_ptr<RotatingArgument>> arguments_;
  std::vector<OperatorCase> cases_;
};

// Runs launch 0 and the reference, and says what is wrong; empty where nothing is.
[[nodiscard]] std::string check_against_reference(const OperatorCase& operator_case,
                                                  cudaStream_t stream);

}  // namespace slipstream::bench
