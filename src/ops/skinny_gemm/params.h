// The one parameter struct of the matrix products for 1 to 16 tokens: kernel, reference, launch and
// tests share it.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "pdl/fields.h"
#include "slipstream/pdl.cuh"

namespace slipstream::ops {

// Two tiles of the tensor core's eight.
inline constexpr int kSkinnyGemmMaxTokens = 16;

// output[m, n] = sum over k of activations[m, k] * weights[n, k]
struct SkinnyGemmParams {
  pdl::Produced<const __nv_bfloat16> activations;  // [tokens, columns], read after the wait
  pdl::Constant<__nv_bfloat16> weights;            // [rows, columns], streamed before the wait
  pdl::Produced<void> output;                      // [tokens, rows], written after the wait
  int64_t activation_stride = 0;                   // elements from token to token
  int64_t weight_stride = 0;                       // elements from row to row
  int64_t output_stride = 0;                       // elements from token to token
  int tokens = 0;                                  // M, 1 to 16
  int rows = 0;                                    // N, a multiple of 8
  int columns = 0;                                 // K, a multiple of 32
  bool output_is_float32 = false;                  // else bfloat16
};

inline constexpr auto kSkinnyGemmFields =
    SLIPSTREAM_FIELDS(SkinnyGemmParams, activations, weights, output);

// How the product is cut. A cluster of CTAs owns 16 * row_tiles rows and splits the columns among
// its CTAs; each CTA takes them in stages, and in each stage warp w of W multiplies the 32-column
// chunks w, w + W, ...
struct SkinnyGemmConfig {
  int row_tiles;      // 16-row tiles that a warp multiplies with one load of the activations
  int cluster_ctas;   // CTAs that split the columns of those rows, at least 2
  int token_tiles;    // 8-token tiles: 1 (M <= 8) or 2
  int stage_columns;  // columns per stage, a multiple of 32 * warps
  int stages;         // stages in flight
  int warps;          // that multiply; one more streams the weights
  int look_ahead;     // chunks of activations that a warp has in registers or on the way

  static constexpr int kChunkColumns = 32;

  [[nodiscard]] constexpr int threads() const { return (warps + 1) * 32; }
  [[nodiscard]] constexpr int tokens() const { return token_tiles * 8; }
  [[nodiscard]] constexpr int cluster_rows() const { return row_tiles * 16; }
  // Rows whose sums one CTA of the cluster finishes.
  [[nodiscard]] constexpr int owned_rows() const { return cluster_rows() / cluster_ctas; }
  // Multiplying warps of the cluster: as many partial sums for each output.
  [[nodiscard]] constexpr int partials() const { return cluster_ctas * warps; }
  // Floats from partial to partial; the 4 extra spread them over the banks.
  [[nodiscard]] constexpr int partial_stride() const { return owned_rows() * tokens() + 4; }

  // Bytes from row to row in a stage. The 64 extra put neighboring rows on different banks.
  [[nodiscard]] constexpr int row_bytes() const { return stage_columns * 2 + 64; }
  [[nodiscard]] constexpr int stage_bytes() const { return cluster_rows() * row_bytes(); }
  // Chunks of one stage that one warp multiplies.
  [[nodiscard]] constexpr int warp_chunks() const { return stage_columns / kChunkColumns / warps; }
  // How many CTAs shared memory leaves room for, at most two: registers are given out accordingly.
  [[nodiscard]] constexpr int ctas_per_multiprocessor() const {
    constexpr int kMaxSharedBytes = 113 * 1024;
    return dynamic_shared_bytes() <= kMaxSharedBytes ? 2 : 1;
  }
  // With one stage that one warp's look-ahead covers, the weights wait in registers for the
  // activations.
  [[nodiscard]] constexpr bool resident() const {
    return stages == 1 && warp_chunks() <= look_ahead;
  }
  [[nodiscard]] constexpr int dynamic_shared_bytes() const {
    return stages * stage_bytes() + partials() * partial_stride() * 4;
  }
};

}  // namespace slipstream::ops
