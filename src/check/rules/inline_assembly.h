// Inline assembly in the text of a source, with what macros put into it. R10 asks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace slipstream::check {

// What is longer is no statement: so that a file which closes none of its parentheses takes no time.
inline constexpr size_t kLongestStatement = size_t{1} << 14U;

// What is between the first parentheses after `from`, the opening one included, or nothing.
std::string_view parenthesized(std::string_view text, size_t from);

struct AssemblyStatement {
  size_t position = 0;  // in the source: of the statement, or of the macro that makes it
  std::string text;     // between its parentheses, macros expanded and adjacent strings joined
};

// The statements whose text is not what the source says at that place: those that macros make, or
// make a part of.
std::vector<AssemblyStatement> statements_by_macros(std::string_view source);

}  // namespace slipstream::check
