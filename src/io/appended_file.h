// Files that grow by whole texts, also where several processes write to one.
#pragma once

#include <string>
#include <string_view>

namespace slipstream::io {

// Throws Error naming the file, before long work is done for nothing, if append_text could not write
// to it: it must be a regular file, or one that can be made. It is there afterwards.
void require_appendable(const std::string& path);

// Throws Error naming the file if not all of the text could be written.
void append_text(const std::string& path, std::string_view text);

}  // namespace slipstream::io
