// What kernels know of the windows of several ranks (step/windows.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "slipstream/pdl.cuh"
#include "step/kernels/support/fields.h"
#include "step/kernels/support/poll_record.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

// Rows of one rank begin so many pairs of bf16 after those of the rank before, whatever their width:
// a poll of all ranks has one address, and the others are constant distances from it.
inline constexpr int kMostPolledColumns = 8192;
inline constexpr int kSourceStride = kMaxRows * kMostPolledColumns / 2;

// A pair of bf16 that is not there yet: two minus zeros. Never sent.
inline constexpr uint32_t kEmptyPair = 0x80008000U;

// The beginning of every window, this rank's own.
struct WindowHead {
  uint32_t broken;            // not 0: no poll waits any more
  uint32_t epochs[kMaxRows];  // how often each row has been sampled
};

// How far every rank's window is from this rank's, so that what is stored at an address of its own
// window can be stored at the same place of all.
// The number comes last, next to what follows in a launch's parameters.
struct PeerOffsets {
  int64_t bytes[kMaxRanks] = {};
  int ranks = 0;  // 0: there are no windows
};

// How long a poll waits.
struct PollLimit {
  uint64_t nanoseconds = 0;
  pdl::Produced<WindowHead> head = {};
  pdl::Produced<PollRecord> record = {};
};

// Partial sums of all ranks, in this rank's window.
struct PolledRows {
  int ranks = 0;  // 0: there are none
  int exchange = 0;
  // [ranks][tokens, columns / 2], kSourceStride from one rank to the next, read after the wait
  pdl::Produced<const uint32_t> pairs = {};
  // The same of the exchange before, which the whole rank has read, to be emptied; null: none.
  pdl::Produced<uint32_t> emptied = {};
  PollLimit limit = {};
};

// Rows in this rank's window of which every rank has sent columns of its own.
struct GatheredRows {
  pdl::Produced<uint32_t> pairs = {};  // [tokens, row_pairs]; null: there are none
  int row_pairs = 0;
};

inline constexpr std::array kPollLimitFields{
    pdl::field<decltype(PollLimit::head)>("head", offsetof(PollLimit, head)),
    pdl::field<decltype(PollLimit::record)>("record", offsetof(PollLimit, record)),
};

inline constexpr auto kPolledRowsFields = join_fields(
    std::array{
        pdl::field<decltype(PolledRows::pairs)>("pairs", offsetof(PolledRows, pairs)),
        pdl::field<decltype(PolledRows::emptied)>("emptied", offsetof(PolledRows, emptied)),
    },
    fields_at(offsetof(PolledRows, limit), kPollLimitFields));

inline constexpr std::array kGatheredRowsFields{
    pdl::field<decltype(GatheredRows::pairs)>("pairs", offsetof(GatheredRows, pairs)),
};

}  // namespace slipstream::step::kernels
