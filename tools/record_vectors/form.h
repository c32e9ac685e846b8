// One instruction form, and the kernel that executes it, one thread per set of operands.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipstream::record_vectors {

using Bytes = std::vector<uint8_t>;

inline constexpr unsigned kThreads = 256;  // per block
inline constexpr unsigned kMaxOperands = 20;
inline constexpr unsigned kMaxResults = 8;

// The kernel's parameter: device arrays, one element per thread, of the width of the register that holds the type.
struct Buffers {
  uint64_t operands[kMaxOperands];
  uint64_t results[kMaxResults];
  uint64_t image;  // handle: image_spec.h
};

struct Form {
  const char* text;  // with $0, $1, ... for results, then operands; $S, $B, $I: see form_kernel()
  const char* results;  // types, with blanks between them
  const char* operands;
  const char* bound;  // see compare.h
};

// Every form, in the order of forms.py. Made by it.
std::span<const Form> all_forms();

// "f32 f32" to its words.
std::vector<std::string> split_words(std::string_view text);
// Bytes of the register that holds a value of the type.
unsigned register_bytes(std::string_view type);

inline constexpr const char* kKernelName = "form";
inline constexpr std::string_view kOldPtx = "ptx-1.4: ";

// A PTX module whose one kernel, kKernelName, takes Buffers and executes the form once in every thread. $S in the form
// stands for the shared address of the thread's 16 bytes, which hold its four 32-bit operands, $B for that of thread 0,
// $I for the handle of the form's image. One that begins with kOldPtx is in a module of PTX 1.4.
std::string form_kernel(const Form& form);

// Runs the form on `count` sets of operands, one array each, and returns the arrays of its results. Throws
// std::exception where the device cannot.
using Runner = std::vector<Bytes> (*)(const Form& form, const std::vector<Bytes>& operands,
                                      unsigned count);

}  // namespace slipstream::record_vectors
