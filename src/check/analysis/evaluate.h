// Values of registers in one thread, as far as they follow from who the thread is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "check/lower/ir.h"

namespace slipstream::check {

// A thread that stands for those that take the same branches. Coordinates of -1 are unknown.
struct Thread {
  int32_t x = -1;
  int32_t y = -1;
  int32_t z = -1;
  int32_t lane = -1;
  int32_t warp = -1;
  int32_t block_threads = -1;  // ntid.x, if it is known
};

struct Value {
  bool known = false;
  bool same_in_warp = false;
  int64_t number = 0;

  bool operator==(const Value&) const = default;
};

// Registers that decide branches, and those they are computed from without reading memory. Only
// these are worth a value.
class Slice {
 public:
  explicit Slice(const Function& function);

  // Position of the register in an Environment, or kNone.
  [[nodiscard]] uint32_t slot(uint32_t reg) const { return slots_[reg]; }
  [[nodiscard]] uint32_t size() const { return size_; }
  // Whether any of it depends on the thread's coordinates, and on more than x.
  [[nodiscard]] bool depends_on_thread() const { return depends_on_thread_; }
  [[nodiscard]] bool depends_on_y() const { return depends_on_y_; }

 private:
  void add(const Operand& operand, std::vector<uint32_t>& work);

  std::vector<uint32_t> slots_;
  uint32_t size_ = 0;
  bool depends_on_thread_ = false;
  bool depends_on_y_ = false;
};

// What is known of the slice's registers at one point; empty optional: not written yet.
using Environment = std::vector<std::optional<Value>>;

// Weakens `into` to what holds in both; true if it changed.
bool join(Environment& into, const Environment& other);

class Evaluator {
 public:
  Evaluator(const Function& function, const Slice& slice, const Thread& thread)
      : function_(function), slice_(slice), thread_(thread) {}

  [[nodiscard]] Value operand(const Operand& operand, const Environment& environment) const;
  // Whether the guard holds; empty if that is not known.
  [[nodiscard]] std::optional<bool> guard(const Instruction& instruction,
                                          const Environment& environment) const;
  // The condition of a branch: its guard and its second predicate.
  [[nodiscard]] std::optional<bool> condition(const Instruction& branch,
                                              const Environment& environment) const;
  // Writes the instruction's results. `certain` is false if its guard is not known.
  void execute(const Instruction& instruction, bool certain, Environment& environment) const;

 private:
  [[nodiscard]] Value compute(const Instruction& instruction, const Environment& environment) const;

  const Function& function_;
  const Slice& slice_;
  const Thread& thread_;
};

}  // namespace slipstream::check
