// How the product of many rows is cut: for the kernel and its launch.
#pragma once

namespace slipstream::ops {

// A CTA owns 16 rows and takes their columns in stages; in each, warp w of W multiplies the 32-column
// chunks w, w + W, ...
template <int kTokenTilesOf8>
struct SkinnyStreamShape {
  static constexpr int kTokenTiles = kTokenTilesOf8;  // 1 (M <= 8) or 2
  static constexpr int kRows = 16;
  static constexpr int kStagesAhead = 3;  // that activations are asked for

  static constexpr int kWarps = 8;  // that multiply; one more copies the weights
  static constexpr int kThreads = (kWarps + 1) * 32;
  static constexpr int kChunkColumns = 32;
  static constexpr int kStageColumns = 1024;
  // A warp's part of a stage: neighboring columns, since a request for a token's 64 bytes takes as
  // long as one for 128.
  static constexpr int kWarpColumns = kStageColumns / kWarps;
  static constexpr int kWarpChunks = kWarpColumns / kChunkColumns;

  // Of the warps' sums: floats from token to token, so that lanes meet different banks, and of a warp.
  static constexpr int kPartialStride = 20;
  static constexpr int kPartialFloats = kTokenTiles * 8 * kPartialStride;
  static constexpr int kPartialBytes = kWarps * kPartialFloats * 4;

  // Of a warp's activations of a stage.
  static constexpr int kTokenBytes = kWarpColumns * 2;
  static constexpr int kWarpStageBytes = kTokenTiles * 8 * kTokenBytes;
  static constexpr int kAheadBytes = kWarps * kStagesAhead * kWarpStageBytes;

  // Bytes from row to row of the weights in a stage. The 64 extra put neighboring rows on different
  // banks.
  static constexpr int kRowBytes = kStageColumns * 2 + 64;
  static constexpr int kStageBytes = kRows * kRowBytes;
  // As many as fit a multiprocessor; of the first round these are on their way at once.
  static constexpr int kStages = (226 * 1024 - kPartialBytes - kAheadBytes) / kStageBytes;
  static constexpr int kStagesAsked = kTokenTiles == 1 ? 2 : 3;

  static constexpr int kSharedBytes = kPartialBytes + kAheadBytes + kStages * kStageBytes;
};

}  // namespace slipstream::ops
