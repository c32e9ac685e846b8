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
// Drafts of one sequence in a step, at most.
inline constexpr int kMaxDrafts = 5;

// In place of StepRow::next: nobody knows it.
inline constexpr int kUnknownToken = -1;

struct StepRow {
  int token = 0;
  int position = 0;
  int sequence = 0;       // row of the page table
  float temperature = 0;  // how the token after this one is chosen
  int top_k = 0;
  float top_p = 1;
  uint64_t seed = 0;
  uint32_t flags = 0;  // of those below; 0: RowExtras are not read
  // The token that follows where a prompt says it: the MTP layer takes it, and not the chosen one.
  int next = kUnknownToken;
};

// What is to be done with a row's logits besides.
inline constexpr uint32_t kMasked = 1;         // only tokens that the row's mask allows
inline constexpr uint32_t kAdjusted = 2;       // penalties and bias
inline constexpr uint32_t kMinP = 4;           // min-p
inline constexpr uint32_t kWantsLogprobs = 8;  // log probabilities are reported
inline constexpr uint32_t kCountsInput =
    0x10;  // the row's token was sampled, and is not counted yet

struct RowExtras {
  float min_p_distance = 0;  // model/sampling.h
  float repetition = 1;
  float presence = 0;
  float frequency = 0;
  int history = -1;  // row of the histories and biases; -1: none
  int logprobs = 0;  // how many of the most likely tokens to report
};

// A token's entry in a sequence's history: this bit if it was given, and below it how often it was
// sampled.
inline constexpr uint32_t kGiven = 0x80000000U;

// Where the positions of a step's tokens lie in the paged caches.
template <class Rows, class Pages>
struct PlacesIn {
  Rows rows;    // [tokens]
  Pages pages;  // [sequences, pages_per_sequence]
  int pages_per_sequence = 0;

  SLIPSTREAM_HOST_DEVICE int64_t slot(const StepRow& row, int position) const {
    const int page = pages.get()[row.sequence * pages_per_sequence + position / kPageSize];
    return static_cast<int64_t>(page) * kPageSize + position % kPageSize;
  }
};

using Places = PlacesIn<pdl::Produced<const StepRow>, pdl::Produced<const int>>;
// For launches that come after others of the step: only samplers write rows.
using SettledPlaces = PlacesIn<pdl::Settled<StepRow>, pdl::Settled<int>>;

template <class P>
inline constexpr std::array kPlacesFieldsOf{
    pdl::field<decltype(P::rows)>("rows", offsetof(P, rows)),
    pdl::field<decltype(P::pages)>("pages", offsetof(P, pages)),
};

}  // namespace slipstream::step::kernels
