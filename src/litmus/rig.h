// Executes chains again and again on the current device and counts what was seen.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "litmus/chain.h"
#include "pdl/device_buffer.h"

namespace slipstream::litmus {

struct RigOptions {
  int iterations = 300;
  double delay_microseconds = 20;  // of delay(100), on average
  unsigned blocks = 0;             // of a grid; 0: half the multiprocessors
  double timeout_seconds = 10;     // for one execution of a chain
  uint32_t seed = 1;
  bool without_traffic = false;  // leaves out the stores that keep the memory system busy
};

enum class Mode : uint8_t { kStream, kGraph };

using Slots = std::array<Slot, kSlots>;

// The device did not finish a chain in time. It cannot be used any more by this process.
class TimedOut : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct ChainOptions {
  Mode mode = Mode::kStream;
  bool host_memory = false;  // the data lies in mapped host memory
  bool traffic = false;      // other stores keep the memory system busy
};

class Rig {
 public:
  explicit Rig(const RigOptions& options);
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  [[nodiscard]] const RigOptions& options() const { return options_; }
  [[nodiscard]] unsigned multiprocessors() const { return multiprocessors_; }
  [[nodiscard]] unsigned blocks() const { return resources_.blocks; }
  [[nodiscard]] const Resources& resources() const { return resources_; }

  // Executes `chain` options().iterations times, with a new value and new delays each time, and
  // hands what each execution left to `look`. Throws CudaError where the runtime refuses the chain,
  // TimedOut where the device does not finish it.
  void repeat(const Chain& chain, const ChainOptions& options,
              const std::function<void(const Slots&)>& look);

  // Captures the chain. The caller destroys the graphs.
  std::vector<cudaGraph_t> capture(const Chain& chain);

 private:
  class Graphs;

  void prepare_kernels();
  void prepare_execution(bool host_memory);
  void start_traffic();
  void finish(cudaStream_t stream);
  [[nodiscard]] Slots slots();

  RigOptions options_;
  unsigned multiprocessors_ = 0;
  Resources resources_;
  cudaStream_t traffic_stream_ = nullptr;
  DeviceBuffer data_;
  DeviceBuffer scratch_;
  DeviceBuffer control_;
  DeviceBuffer slots_;
  DeviceBuffer traffic_;
  unsigned* host_data_ = nullptr;
  std::mt19937 random_;
  unsigned executions_ = 0;
};

}  // namespace slipstream::litmus
