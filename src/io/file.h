// Whole files: read where they are regular ones, and written whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "io/file_descriptor.h"

namespace slipstream::io {

// Opens a file for reading. Throws InvalidArgument naming it if it is missing, unreadable or anything
// but a regular file: a FIFO nobody writes to would be waited for, a device may never end.
[[nodiscard]] FileDescriptor open_regular_file(const std::string& path);

// All of a regular file. Throws InvalidArgument as above.
[[nodiscard]] std::string read_file(const std::string& path);

// Writes the pieces one after the other to a new file in the folder of `path`, which then takes the
// place of `path`: whoever reads sees the earlier file or all of the new one, whatever happens in
// between, and so do several writers. A symbolic link stays, and what it points to is replaced; mode
// and owner of an earlier file stay. Throws Error naming the file if it cannot be written, or is
// something that must not be replaced: a device, a FIFO, a directory, a file that the user may not
// write to.
void write_file(const std::string& path, std::span<const std::span<const std::byte>> pieces);
void write_text(const std::string& path, std::string_view text);

// Throws what write_file would throw for this path, before long work is done for nothing. Leaves
// everything as it is.
void require_writable(const std::string& path);

}  // namespace slipstream::io
