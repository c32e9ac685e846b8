// How the product of many rows is cut: for the kernel and its launch.
#pragma once

namespace slipstream::ops {

// A cluster of CTAs owns as many 16-row tiles as it has CTAs, and these split the columns: with more
// tokens each of them then loads half of the activations. A CTA's columns come in stages; in each,
// warp w of W multiplies the 32-column chunks w, w + W, ...
template <int kTokenTilesOf8>
struct SkinnyStreamShape {
  static constexpr int kTokenTiles = kTokenTilesOf8;  // 1 (M <= 8) or 2
  static constexpr int kCtas = kTokenTiles == 1 ? 1 : 2;
  static constexpr int kRowTiles = kCtas;
  static constexpr int kRows = kRowTiles * 16;
  static constexpr int kQuads = kTokenTiles * 2;  // of tokens

  static constexpr int kWarps = 8;  // that multiply; one more copies the weights
  static constexpr int kThreads = (kWarps + 1) * 32;
  static constexpr int kChunkColumns = 32;
  static constexpr int kStepColumns = kWarps * kChunkColumns;

  // Columns that shared memory holds at once, and where their stages begin: the first ones are
  // large, so that copies are few, the last ones small, as nothing is on its way while they are
  // multiplied.
  static constexpr int kBlockColumns = 7168 / kCtas;
  static constexpr int kStages = 4;
  static constexpr int kStagesAsked = 2;  // before the wait
  static constexpr int stage_begin(int stage) {
    constexpr int kBegins[kStages + 1] = {0, 1792 / kCtas, 3584 / kCtas, 5376 / kCtas,
                                          kBlockColumns};
    return kBegins[stage];
  }
  static constexpr int kWarpChunks = kBlockColumns / kStepColumns;

  // Bytes from row to row. The gap puts neighboring rows on different banks.
  static constexpr int kRowGapBytes = 64;
  static constexpr int kRowBytes = kBlockColumns * 2 + kRowGapBytes;
  static constexpr int kSharedBytes = kRows * kRowBytes;
};

}  // namespace slipstream::ops
