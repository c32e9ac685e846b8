// The instruction set as a table: one row, a Form, for each shape of an instruction. Decoder,
// executor, support matrix and error messages all come from it.
//
// A form's pattern is the opcode head, then the modifiers in their order:
//   .f32                must be there
//   (.rn|.rz)           one of them must be there
//   [.ftz]  [.a|.b]     may be there
// An instruction that no pattern matches to the last modifier is not supported: no modifier is ever
// ignored by accident. Those without meaning here (cache hints) stand in the patterns.
#pragma once

#include <cstdint>
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
  std::vector<std::string_view> slots;  // of all slots behind the head; empty where optional

  bool has(std::string_view modifier) const;
};

// A named group of forms, one per file of handlers.
struct Family {
  std::string_view title;  // "Integer arithmetic"
  std::span<const Form> forms;
};

// Every family there is, in the order of the support matrix.
std::span<const Family> all_families();

// The form of an opcode; form is null if there is none. Thread-safe.
Match match_opcode(const ptx::Opcode& opcode);
// The patterns of all forms with that head, for messages; empty if the head is unknown.
std::vector<std::string_view> patterns_of(std::string_view head);
// The support matrix of docs/emulator.md.
std::string support_matrix();

// --- Families, each in its own file.

Family integer_family();       // integer.cc
Family logic_family();         // logic.cc
Family compare_family();       // compare.cc
Family float_family();         // float.cc
Family approximate_family();   // approximate.cc
Family half_family();          // half_arithmetic.cc
Family move_family();          // move.cc
Family convert_family();       // convert_scalar.cc: integers, f32, f64
Family memory_family();        // memory.cc
Family atomic_family();        // atomic.cc
Family control_family();       // control.cc
Family collective_family();    // collective.cc
Family barrier_family();       // barrier.cc
Family cluster_family();       // cluster.cc
Family convert_half_family();  // convert_half.cc: f16, bf16, tf32, fp8
Family matrix_family();        // matrix.cc: ldmatrix and its kind
Family async_copy_family();    // async_copy.cc
Family mbarrier_family();      // mbarrier.cc
Family mma_family();           // mma.cc

}  // namespace slipstream::emulator
