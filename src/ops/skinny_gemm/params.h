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

// How the product of few rows is cut. A cluster of CTAs owns 16 rows and splits the columns among its
// CTAs; in each, warp w of W multiplies the 32-column chunks w, w + W, ...
struct SkinnyGemmConfig {
  int cluster_ctas;  // CTAs that split the columns, at least 2
  int token_tiles;   // 8-token tiles: 1 (M <= 8) or 2
  int cta_columns;   // at most, of a CTA: a multiple of 32 * warps
  int warps;         // that multiply; one more copies the weights

  static constexpr int kRows = 16;
  static constexpr int kChunkColumns = 32;

  [[nodiscard]] constexpr int threads() const { return (warps + 1) * 32; }
  [[nodiscard]] constexpr int tokens() const { return token_tiles * 8; }
  // Rows whose sums one CTA of the cluster finishes.
  [[nodiscard]] constexpr int owned_rows() const { return kRows / cluster_ctas; }
  // Multiplying warps of the cluster: as many partial sums for each output.
  [[nodiscard]] constexpr int partials() const { return cluster_ctas * warps; }
  // Floats from partial to partial; the 4 extra spread them over the banks.
  [[nodiscard]] constexpr int partial_stride() const { return owned_rows() * tokens() + 4; }

  // Bytes from row to row. The 64 extra put neighboring rows on different banks.
  [[nodiscard]] constexpr int row_bytes() const { return cta_columns * 2 + 64; }
  [[nodiscard]] constexpr int weight_bytes() const { return kRows * row_bytes(); }
  // Chunks that one warp multiplies.
  [[nodiscard]] constexpr int warp_chunks() const { return cta_columns / kChunkColumns / warps; }
  [[nodiscard]] constexpr int dynamic_shared_bytes() const {
    return weight_bytes() + partials() * partial_stride() * 4;
  }
};

}  // namespace slipstream::ops
