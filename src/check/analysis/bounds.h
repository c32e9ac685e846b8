// What branches on comparisons with constants say of a register that is not known: enough to see that
// two rounds imply one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "check/analysis/evaluate.h"
#include "check/lower/control_flow.h"

namespace slipstream::check {

// "Register compared with `number`".
struct Condition {
  uint32_t reg = kNone;
  Comparison comparison = Comparison::kNever;
  int32_t number = 0;
  bool is_signed = true;
};

// What the predicate says at the instruction `at`, where its comparison stands after the instruction
// `first` or there, without a branch between, and nothing is written after it that was compared.
std::optional<Condition> condition_of(const Function& function, uint32_t first, uint32_t at,
                                      uint32_t predicate);
// The one predicate on which a branch hangs.
std::optional<Operand> decides_alone(const Function& function, const Instruction& branch);

// A branch that is taken where "register compared with `number`" has the value `taken_if`.
struct BranchBound {
  uint32_t slot = kNone;  // of the register
  Comparison comparison = Comparison::kNever;
  int32_t number = 0;
  bool taken_if = true;
};

// By block: what its last branch hangs on, where the comparison stands in the block and nothing is
// written after it that was compared.
std::map<uint32_t, BranchBound> find_branch_bounds(const Function& function,
                                                   const ControlFlow& flow, const Slice& slice);

// Makes the bounds of unknown values smaller, as they are where the branch is taken or not.
void narrow(Values& values, const BranchBound& branch, bool taken);

// Whether "a compared with b" holds, if the bounds of a tell.
std::optional<bool> truth_of(Comparison comparison, const Value& a, int32_t b);

}  // namespace slipstream::check
