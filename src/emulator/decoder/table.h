// The instruction set as a table: one row, a Form, for each shape of an instruction. Decoder,
// executor, support matrix and error messages all come from it.
//
// A form's pattern is the opcode head, then a slot for each modifier:
//   .f32                must be there
//   (.rn|.rz)           one of them must be there
//   [.ftz]  [.a|.b]     may be there
//   .m64n<n>k16         must be there, with a number in the place of <n>
// Programs may write the modifiers in another order, as far as ptxas lets them: see pattern.h. An instruction that no
// pattern matches to the last modifier is not supported: no modifier is ever ignored by accident. Modifiers that mean
// nothing here (cache hints) are in the patterns too.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "code/ptx/module.h"

namespace slipstream::emulator {

class Builder;

struct Form {
  std::string_view pattern;
  void (*build)(Builder& builder) = nullptr;
  std::string_view note{};  // for the support matrix: what differs from a GPU, if anything
};

// Which modifier stands in each slot of a pattern, dots included.
struct Match {
  const Form* form = nullptr;
  bool is_lane_by_lane = false;         // as its family is
  std::vector<std::string_view> slots;  // of all slots after the head; empty where optional

  bool has(std::string_view modifier) const;
};

// A named group of forms, one per file of handlers.
struct Family {
  std::string_view title;  // "Integer arithmetic"
  std::string_view file;   // "integer.cc", in src/emulator/instructions
  std::span<const Form> forms;
  bool is_lane_by_lane =
      false;  // each lane of a result is computed of the same lane of the operands
};

// Every family, in the order of the support matrix; see instructions/families.h.
std::span<const Family> all_families();

// The form of an opcode; form is null if there is none. Thread-safe.
Match match_opcode(const ptx::Opcode& opcode);
// The patterns that an opcode without a form comes closest to, best first, for messages.
struct NearestPatterns {
  std::vector<std::string_view> patterns;
  size_t known = 0;                       // how many forms have that head
  std::vector<std::string_view> foreign;  // modifiers that none of them has
};
NearestPatterns nearest_patterns(const ptx::Opcode& opcode, size_t most);
// The text of docs/emulator-instructions.md.
std::string support_matrix();

}  // namespace slipstream::emulator
