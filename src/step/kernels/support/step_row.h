// One token of a step, as it lives on the device: the sampling kernel makes the next step's input
// of it, so that no host work lies between tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "slipstream/pdl.cuh"

namespace slipstream::step::kernels {

inline constexpr int kMaxRows = 16;
inline constexpr int kPageSize = 64;
inline constexpr int kLatent = 512;
inline constexpr int kRope = 64;
inline constexpr int kLatentRow = kLatent + kRope;
inline constexpr int kIndexWidth = 128;
inline constexpr int kFp8RowBytes = 656;
inline constexpr int kIndexPageBytes = kPageSize * (kIndexWidth + 4);

struct StepRow {
  int token = 0;
  int position = 0;
  int sequence = 0;       // row of the page table
  float temperature = 0;  // how the token after this one is chosen
  int top_k = 0;
  float top_p = 1;
  uint64_t seed = 0;
};

// Where the positions of a step's tokens lie in the paged caches.
struct Places {
  pdl::Produced<const StepRow> rows;  // [tokens]
  pdl::Produced<const int> pages;     // [sequences, pages_per_sequence]
  int pages_per_sequence = 0;

  SLIPSTREAM_HOST_DEVICE int64_t slot(const StepRow& row, int position) const {
    const int page = pages.get()[row.sequence * pages_per_sequence + position / kPageSize];
    return static_cast<int64_t>(page) * kPageSize + position % kPageSize;
  }
};

inline constexpr std::array kPlacesFields{
    pdl::field<decltype(Places::rows)>("rows", offsetof(Places, rows)),
    pdl::field<decltype(Places::pages)>("pages", offsetof(Places, pages)),
};

}  // namespace slipstream::step::kernels
