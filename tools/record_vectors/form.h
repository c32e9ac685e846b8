// One instruction form and the kernel that executes it, one thread per set of operands.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipstream::record_vectors {

inline constexpr unsigned kThreads = 256;  // per block
inline constexpr unsigned kMaxOperands = 16;
inline constexpr unsigned kMaxResults = 8;

// Device arrays, one element per thread, of the width of the register that holds the type.
struct Buffers {
  const void* operands[kMaxOperands];
  void* results[kMaxResults];
};

using Kernel = void (*)(Buffers);

struct Form {
  const char* text;     // with $0, $1, ... for results and operands
  const char* results;  // types, with blanks between them
  const char* operands;
  const char* bound;  // see compare.h
  Kernel kernel;
};

// Every form, in the order of forms.py. Made by it.
std::vector<std::span<const Form>> all_forms();

// "f32 f32" to its words.
std::vector<std::string> split_words(std::string_view text);
// Bytes of the register that holds a value of the type.
unsigned register_bytes(std::string_view type);

}  // namespace slipstream::record_vectors
