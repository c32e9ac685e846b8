// How the product of many rows is cut: for the kernel and its launch.
#pragma once

namespace slipstream::ops {

// A CTA owns 16 rows and takes their columns in stages; in each, warp w of W multiplies the 32-column
// chunks w, w + W, ...
template <int kTokenTilesOf8>
struct SkinnyStreamShape {
  static constexpr int kTokenTiles = kTokenTilesOf8;  // 1 (M <= 8) or 2
  static constexpr int kRows = 16;
  // Registers hold what a thread needs of the activations of 7168 columns, of one tile; else
  // activations come through the ring, as weights do.
  static constexpr bool kActivationsInRegisters = kTokenTiles == 1;
  static constexpr int kMostResidentColumns = 7168;

  static constexpr int kWarps = 8;  // that multiply; others copy
  static constexpr int kThreads = (kWarps + (kActivationsInRegisters ? 1 : 2)) * 32;
  static constexpr int kChunkColumns = 32;
  static constexpr int kStepColumns = kWarps * kChunkColumns;
  static constexpr int kStageColumns = 1024;
  static constexpr int kWarpChunks = kStageColumns / kStepColumns;  // of a stage
  static constexpr int kMostStages = 6;
  static constexpr int kStagesAsked = 2;  // of the ring's first round, on their way at once

  // Bytes from row to row in a stage. The 64 extra put neighboring rows on different banks.
  static constexpr int kRowBytes = kStageColumns * 2 + 64;
  static constexpr int stage_bytes(int tokens) {
    return (kRows + (kActivationsInRegisters ? 0 : tokens)) * kRowBytes;
  }
  // As many as fit a multiprocessor.
  static constexpr int stages(int tokens) {
    constexpr int kRoom = 226 * 1024 - kPartialBytes;
    const int stages = kRoom / stage_bytes(tokens);
    return stages < kMostStages ? stages : kMostStages;
  }

  // Of the warps' sums: floats from token to token, so that lanes meet different banks, and of a warp.
  static constexpr int kPartialStride = 20;
  static constexpr int kPartialFloats = kTokenTiles * 8 * kPartialStride;
  static constexpr int kPartialBytes = kWarps * kPartialFloats * 4;

  static constexpr int shared_bytes(int tokens) {
    return kPartialBytes + stages(tokens) * stage_bytes(tokens);
  }
};

}  // namespace slipstream::ops
