// What a kernel of a litmus test does, as data: a short list of steps that one kernel interprets.
//
// An experiment is then a few lines that read like the chain they describe:
//
//   const Script producer{wait(), trigger(), delay(), write(1)};
//   const Script reader{wait(), read(1)};
#pragma once

#include <cstdint>
#include <initializer_list>
#include <stdexcept>

namespace slipstream::litmus {

enum class Action : uint8_t {
  kWait,
  kTrigger,
  kDelay,           // argument: percent of the run's delay, and as much again at random
  kWrite,           // argument: the value
  kRead,            // argument: the value that is right; counted in `slot`
  kReadReadOnly,    // the same by ld.global.nc
  kFenceGpu,        // __threadfence()
  kFenceSystem,     // __threadfence_system()
  kBlockBarrier,    // __syncthreads(): all warps must take part
  kClusterBarrier,  // all CTAs of the cluster must take part
  kGridBarrier,     // needs a cooperative launch
  kStamp,           // the time, in `slot`
  kArrive,          // one more CTA has come to this step, in `slot`
  kSampleArrivals,  // how many had, in `slot`
  kExit,
};

inline constexpr int kAnyRank = 255;
inline constexpr unsigned kThreadsPerBlock = 256;
// Memory that each thread of a grid has for reads and writes of more than one word.
inline constexpr unsigned kWordsPerThread = 64;
inline constexpr unsigned kSlots = 100;

struct Step {
  Action action = Action::kExit;
  uint8_t slot = 0;
  // Who takes part; everybody unless narrowed by the functions below.
  uint8_t first_warp = 0;
  uint8_t end_warp = 255;
  uint8_t cluster_rank = kAnyRank;
  bool only_first_block = false;
  bool not_first_block = false;
  uint32_t argument = 0;
  uint32_t words = 1;  // of each thread that are read or written

  [[nodiscard]] Step in_warps(uint8_t first, uint8_t end) const {
    Step step = *this;
    step.first_warp = first;
    step.end_warp = end;
    return step;
  }
  [[nodiscard]] Step in_first_block() const {
    Step step = *this;
    step.only_first_block = true;
    return step;
  }
  [[nodiscard]] Step in_other_blocks() const {
    Step step = *this;
    step.not_first_block = true;
    return step;
  }
  [[nodiscard]] Step in_cluster_rank(uint8_t rank) const {
    Step step = *this;
    step.cluster_rank = rank;
    return step;
  }
  [[nodiscard]] Step counted_in(unsigned number) const {
    Step step = *this;
    step.slot = static_cast<uint8_t>(number);
    return step;
  }
};

inline Step wait() { return {.action = Action::kWait}; }
inline Step trigger() { return {.action = Action::kTrigger}; }
inline Step delay(unsigned percent = 100) {
  return {.action = Action::kDelay, .argument = percent};
}
inline Step write(unsigned value, unsigned words = 1) {
  return {.action = Action::kWrite, .argument = value, .words = words};
}
inline Step read(unsigned value, unsigned words = 1) {
  return {.action = Action::kRead, .argument = value, .words = words};
}
inline Step read_read_only(unsigned value) {
  return {.action = Action::kReadReadOnly, .argument = value};
}
inline Step fence_gpu() { return {.action = Action::kFenceGpu}; }
inline Step fence_system() { return {.action = Action::kFenceSystem}; }
inline Step block_barrier() { return {.action = Action::kBlockBarrier}; }
inline Step cluster_barrier() { return {.action = Action::kClusterBarrier}; }
inline Step grid_barrier() { return {.action = Action::kGridBarrier}; }
inline Step stamp(unsigned slot) { return Step{.action = Action::kStamp}.counted_in(slot); }
inline Step arrive(unsigned slot) { return Step{.action = Action::kArrive}.counted_in(slot); }
inline Step sample_arrivals(unsigned slot) {
  return Step{.action = Action::kSampleArrivals}.counted_in(slot);
}
inline Step leave() { return {.action = Action::kExit}; }

struct Script {
  static constexpr int kMaxSteps = 12;
  Step steps[kMaxSteps] = {};
  int count = 0;

  Script() = default;
  Script(std::initializer_list<Step> list) {
    if (list.size() > kMaxSteps) throw std::length_error("a litmus script has too many steps");
    for (const Step& step : list) steps[count++] = step;
  }
};

// What an execution left behind, counted on the device.
struct Slot {
  unsigned long long reads = 0;        // warps that read
  unsigned long long wrong = 0;        // threads that saw a value other than the right one
  unsigned long long first_stamp = 0;  // ~0 until there is one
  unsigned long long last_stamp = 0;
  unsigned long long arrivals = 0;         // CTAs
  unsigned long long fewest_arrivals = 0;  // that a sample saw; ~0 until there is one
};

// Set by the host before each execution; constant while kernels run. A graph that is replayed sees
// new values this way.
struct Control {
  unsigned base = 0;               // added to all values, so that no two executions share one
  unsigned delay_nanoseconds = 0;  // of delay(100)
  unsigned seed = 0;
};

struct ScriptParams {
  unsigned* data = nullptr;
  const Control* control = nullptr;
  Slot* slots = nullptr;
  Script script;
};

// The kernel that interprets a script, to be launched with ScriptParams and kThreadsPerBlock
// threads.
[[nodiscard]] const void* script_kernel();

}  // namespace slipstream::litmus
