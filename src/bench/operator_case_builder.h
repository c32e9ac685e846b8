// How the operators' cases are made: their arguments, and one list of them for both the launch and
// the reference.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "bench/operator_case.h"
#include "ops/support/arguments.h"
#include "slipstream/launch.h"
#include "slipstream/tensor.h"

namespace slipstream::bench {

// Which copy of an argument a tensor shows: the host's, or that of one launch on the device.
class Copies {
 public:
  static Copies on_host() { return Copies(std::nullopt); }
  static Copies on_device(int launch) { return Copies(launch); }

  Tensor operator()(RotatingArgument* argument, DType dtype,
                    std::initializer_list<int64_t> shape) const {
    return launch_ ? argument->device(*launch_, dtype, shape) : argument->host(dtype, shape);
  }

 private:
  explicit Copies(std::optional<int> launch) : launch_(launch) {}
  std::optional<int> launch_;
};

class OperatorCaseBuilder {
 public:
  // Appends to both.
  OperatorCaseBuilder(int tokens, std::vector<std::unique_ptr<RotatingArgument>>& arguments,
                      std::vector<OperatorCase>& cases)
      : tokens_(tokens), arguments_(arguments), cases_(cases) {}

  [[nodiscard]] int tokens() const { return tokens_; }

  // Weights and caches are cold in a decode step: enough copies that a launch finds nothing of its
  // last turn in L2, and not more memory than that takes. Activations were written a moment before:
  // one copy, which stays in L2.
  enum class Memory : uint8_t { kCold, kWarm };

  // Normally distributed numbers.
  RotatingArgument* bfloat16(int64_t count, Memory memory = Memory::kWarm);
  RotatingArgument* float32(int64_t count);
  // What an operator has to overwrite.
  RotatingArgument* poisoned(int64_t bytes, Memory memory = Memory::kWarm);
  // Different int64 values below `limit`, one for each token, as slots and positions are.
  RotatingArgument* indices(int64_t limit);
  // [positions, rope] float32: cosines, then sines.
  RotatingArgument* rope_table(int64_t positions, int64_t rope);

  // What a case is apart from its functions.
  struct Description {
    std::string name;
    int64_t bytes;  // that have to be read or written once
    std::vector<RotatingArgument*> written;
    Accuracy accuracy = {};
  };

  // `list(copies)` gives the operator's arguments as a tuple, in the order in which `launch` (before
  // its launch options) and `check` (after its Arguments) take them. `reference` takes what `check`
  // returns.
  template <class List, class Launch, class Check, class Reference>
  void add(const Description& description, List list, Launch launch, Check check,
           Reference reference) {
    const auto launch_on_device = [=](int number, const pdl::LaunchOptions& options) {
      std::apply([&](const auto&... arguments) { launch(arguments..., options); },
                 list(Copies::on_device(number)));
    };
    const auto compute_on_host = [=, name = description.name] {
      const ops::Arguments checked(name.c_str(), ops::MemoryPlace::kHost);
      std::apply([&](const auto&... arguments) { reference(check(checked, arguments...)); },
                 list(Copies::on_host()));
    };
    cases_.push_back({.name = description.name,
                      .tokens = tokens_,
                      .bytes = static_cast<double>(description.bytes),
                      .launch = launch_on_device,
                      .reference = compute_on_host,
                      .written = description.written,
                      .accuracy = description.accuracy});
  }

 private:
  RotatingArgument* keep(std::vector<uint8_t> bytes, Memory memory = Memory::kWarm);
  template <class T>
  RotatingArgument* keep_values(const std::vector<T>& values);

  int tokens_;
  std::vector<std::unique_ptr<RotatingArgument>>& arguments_;
  std::vector<OperatorCase>& cases_;
  std::mt19937 random_{20261122};
};

}  // namespace slipstream::bench
