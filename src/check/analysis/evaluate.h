// Values of registers in one thread, as far as they follow from who the thread is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "check/analysis/values.h"
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
  int32_t cluster_rank = -1;   // of its CTA: the first, 0, or another one, 1
};

// Some registers, and those they are computed from without reading memory. Only these are worth a
// value.
class Slice {
 public:
  // Of what decides branches.
  explicit Slice(const Function& function);
  Slice(const Function& function, std::span<const Operand> wanted);

  // Position of the register in an Environment, or kNone.
  [[nodiscard]] uint32_t slot(uint32_t reg) const { return slots_[reg]; }
  [[nodiscard]] uint32_t size() const { return size_; }
  // Whether any of it depends on the thread's coordinates, and on more than x.
  [[nodiscard]] bool depends_on_thread() const { return depends_on_thread_; }
  [[nodiscard]] bool depends_on_y() const { return depends_on_y_; }
  // On which CTA of a cluster it is.
  [[nodiscard]] bool depends_on_rank() const { return depends_on_rank_; }

 private:
  void add(const Operand& operand, std::vector<uint32_t>& work);

  std::vector<uint32_t> slots_;
  uint32_t size_ = 0;
  bool depends_on_thread_ = false;
  bool depends_on_y_ = false;
  bool depends_on_rank_ = false;
};

// What is known of the slice's registers at one point, in each thread.
using Environment = std::vector<Values>;

// Of a condition: the threads of which it is known to hold, and not to hold.
struct Verdict {
  RoleSet yes;
  RoleSet no;
};

class Evaluator {
 public:
  Evaluator(const Function& function, const Slice& slice, std::span<const Thread> threads);

  [[nodiscard]] Value operand(const Operand& operand, const Environment& environment,
                              size_t thread) const;
  [[nodiscard]] Verdict guard(const Instruction& instruction, const Environment& environment,
                              const RoleSet& active) const;
  // The condition of a branch: its guard and its second predicate.
  [[nodiscard]] Verdict condition(const Instruction& branch, const Environment& environment,
                                  const RoleSet& active) const;
  // Writes the instruction's results in the threads of `active` that may execute it, as the verdict
  // on its guard says.
  void execute(const Instruction& instruction, const Verdict& guard, const RoleSet& active,
               Environment& environment) const;

 private:
  [[nodiscard]] bool is_same(const Operand& operand, const Environment& environment) const;
  [[nodiscard]] Verdict predicate(const Operand& operand, const Environment& environment,
                                  const RoleSet& active) const;
  [[nodiscard]] Value compute(const Instruction& instruction, const Environment& environment,
                              size_t thread) const;
  [[nodiscard]] std::optional<Value> compute_once(const Instruction& instruction,
                                                  const Environment& environment,
                                                  size_t thread) const;
  [[nodiscard]] Values compute_all(const Instruction& instruction, const Environment& environment,
                                   const RoleSet& active) const;
  [[nodiscard]] Values written(const Values& before, const Values& value, const Verdict& guard,
                               const RoleSet& active) const;

  const Function& function_;
  const Slice& slice_;
  std::span<const Thread> threads_;
};

}  // namespace slipstream::check
