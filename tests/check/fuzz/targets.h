// What the fuzzers and their replay test run: any bytes are either analyzed or refused.
#pragma once

#include <cstdint>
#include <span>

namespace slipstream::check::fuzz {

using Bytes = std::span<const uint8_t>;

// A whole file: fat binary, host ELF file, cubin or PTX text.
void image(Bytes bytes);
// The first byte chooses the architecture, the others are a kernel's machine code.
void sass(Bytes bytes);
// PTX text, whatever it looks like.
void ptx(Bytes bytes);
// A zip archive or a static library, all its members.
void archive(Bytes bytes);
// A launches file, and a CUDA source.
void text(Bytes bytes);

}  // namespace slipstream::check::fuzz
