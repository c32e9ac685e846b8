// Matrices in shared memory, as wgmma finds them.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/arithmetic/warpgroup_product.h"
#include "emulator/machine/access.h"
#include "emulator/machine/warp.h"

namespace slipstream::emulator {

// How the elements of a matrix follow each other: along the depth, or (16-bit elements only) along
// its rows, for B its columns.
enum class Major : uint8_t { kDepth, kRows };

// Reads the matrix that a matrix descriptor means from the shared memory of the warp's CTA; `rows`
// are rows of A or columns of B, a multiple of 8. Raises a fault where it leaves that memory.
void read_matrix(Warp& warp, uint64_t descriptor, Major major,
                 std::span<WarpgroupOperands::Elements> rows, Watched watched);

}  // namespace slipstream::emulator
