// What branches say of registers that are not known: of the predicate that decides them, and of what was
// compared with a constant. Enough to see that two rounds imply one.
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

// A branch that is taken where a predicate has the value `taken_if`. It says "register compared with
// `number`", where its comparison stands in the block and nothing is written after it that was compared.
struct BranchBound {
  uint32_t predicate = kNone;  // their slots
  uint32_t slot = kNone;
  Comparison comparison = Comparison::kNever;
  int32_t number = 0;
  bool taken_if = true;
};

// By block: what its last branch hangs on, if that is one predicate.
std::map<uint32_t, BranchBound> find_branch_bounds(const Function& function,
                                                   const ControlFlow& flow, const Slice& slice);

// Makes known, and the bounds of unknown values smaller, what is so where the branch is taken or not.
void assume(Environment& environment, const BranchBound& branch, bool taken);

// Whether "a compared with b" holds, if the bounds of a tell.
std::optional<bool> truth_of(Comparison comparison, const Value& a, int32_t b);

}  // namespace slipstream::check
