// Activations as e4m3 codes in units of 128 columns of a token that share a scale (code_units.cuh):
// how many bytes they take, and in which order they are.
#pragma once

#include "slipstream/pdl.cuh"

namespace slipstream::step::kernels {

inline constexpr int kUnitCodes = 128;

// All units' codes, then their scales. A multiple of 16.
SLIPSTREAM_HOST_DEVICE constexpr int code_bytes(int units) {
  return units * kUnitCodes + (units + 3) / 4 * 4 * static_cast<int>(sizeof(float));
}

// The unit of a group of columns where all tokens have one in it.
SLIPSTREAM_HOST_DEVICE constexpr int code_unit(int group, int token, int tokens) {
  return group * tokens + token;
}

// Where the code of a unit's column lies: the 16-byte pieces of odd units are swapped in pairs, so
// that neighboring units, which a warp reads together, lie on different banks of shared memory.
SLIPSTREAM_HOST_DEVICE constexpr int code_place(int unit, int column) {
  constexpr int kPiece = 16;
  return unit * kUnitCodes + (column / kPiece ^ unit % 2) * kPiece + column % kPiece;
}

}  // namespace slipstream::step::kernels
