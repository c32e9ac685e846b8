// Several PTX texts that belong to one program, as one text: what the emulated device's linkers hand over in the place of
// a cubin. Each part follows a comment with its length, so that the parts come out as they went in.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipstream::code {

struct PtxPart {
  std::string name;
  std::string text;
};

bool is_linked_ptx(std::string_view text);
std::string join_linked_ptx(std::span<const PtxPart> parts);
// Throws FormatError where a length does not fit the text.
std::vector<PtxPart> split_linked_ptx(std::string_view text);

}  // namespace slipstream::code
