// How many rows a CTA takes.
#pragma once

#include <vector_types.h>

#include <algorithm>
#include <cstdint>

namespace slipstream::ops {

inline constexpr int kMaxThreadsPerRow = 256;
inline constexpr int kMaxRowBlockThreads = 512;

struct RowBlocks {
  unsigned blocks;
  dim3 block;  // x: threads of a row, y: rows
};

// `few_threads` per CTA while rows are few, so that they spread over the SMs; many once the GPU is
// full, so that CTAs are worth launching. `repeats` is how often the grid holds these rows (tokens
// in another grid dimension). Rows with more than kMaxThreadsPerRow pieces take several rounds.
inline RowBlocks row_blocks(int64_t rows, int64_t pieces_per_row, int64_t repeats = 1,
                            unsigned few_threads = 64) {
  constexpr int64_t kFewRows = 528;  // four per SM of an H200
  const auto width =
      static_cast<unsigned>(std::clamp<int64_t>(pieces_per_row, 1, kMaxThreadsPerRow));
  const unsigned threads = rows * repeats <= kFewRows ? few_threads : kMaxRowBlockThreads;
  const auto height =
      static_cast<unsigned>(std::clamp<int64_t>(threads / width, 1, std::max<int64_t>(rows, 1)));
  return {static_cast<unsigned>((rows + height - 1) / height), dim3(width, height)};
}

}  // namespace slipstream::ops
