// The memory through which ranks exchange: one window per rank, of the same size everywhere, which
// every rank's kernels can store into.
//
//   head   {broken, epochs}: this rank's own
//   rows   [buffers][source ranks][16 tokens][hidden] bf16: partial sums on their way; those of each
//          rank begin a constant distance after those of the rank before
//   gathered  [16 tokens][hidden] bf16: what a draft starts from, columns of each rank
//   picks  [rounds][source ranks][16 tokens][256] of 16 bytes: what sampling agrees on
//
// What comes from rank r is written by rank r alone, its own share included. Rows need neither flag
// nor counter: a pair of bf16 is there once it is no longer kEmptyPair. Picks carry an epoch.
//
// Why three buffers are enough. W(e) is the launch that pushes exchange e, R(e) the one that polls
// it; on each rank W(e) touches windows only after the launch before it has ended, and R(e) when all
// before W(e) have. R(e) polls the rows of all ranks, and empties those of e - 1. Why it may do so while
// W(e) still runs: docs/ranks.md.
// * Nobody overwrites what is unread or not yet emptied: W(e + 2) of rank A writes the buffer of
//   e - 1. It comes after the end of A's R(e + 1), which has seen what B pushed in W(e + 1), after
//   the end of B's R(e), which came after the end of B's R(e - 1): B has read and emptied e - 1.
// * Nobody takes old rows for new ones: a buffer is empty before anybody can push into it.
// * The last exchange of a step is emptied by `sample`. A peer may push exchange 0 of the next step
//   as soon as it has this rank's candidates, and this rank may still be emptying: so exchange 0
//   must not use the last one's buffer. Exchange 1 needs this rank's exchange 0, which comes after.
// * The gathered rows are in no such cycle. The launch that reads them is followed by one of as many
//   tokens that empties them, and rank A pushes the next ones only after it has chosen tokens with
//   all ranks: B took part in that after it had emptied its own. Exchange 0 of the next step comes
//   after A has read them, so after B has left `sample`.
// Between steps all rows are empty, whatever numbers of tokens the steps had.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/config.h"
#include "step/kernels/support/poll_record.h"

namespace slipstream::step {

inline constexpr int kMaxRanks = kernels::kMaxRanks;
using kernels::PollRecord;

// Where things lie in a window.
class WindowLayout {
 public:
  WindowLayout(const model::ModelConfig& config, int ranks);

  [[nodiscard]] int ranks() const { return ranks_; }
  [[nodiscard]] int hidden() const { return hidden_; }
  [[nodiscard]] int exchanges() const { return first_last_ + 1; }  // of a step without drafts
  // Exchange e uses buffer e mod 3. Where that is the first one's and e may be the last of a step,
  // with drafts or without, it has a fourth.
  [[nodiscard]] int buffer_of(int exchange) const;
  [[nodiscard]] int buffers() const;
  // Bytes from the window's start to the rows that rank `source` sends in an exchange, of all of
  // them, and from there to those of the next rank.
  [[nodiscard]] int64_t rows(int exchange, int source) const;
  [[nodiscard]] int64_t source_bytes() const;
  [[nodiscard]] static int64_t source_stride();
  [[nodiscard]] int64_t gathered() const;  // after those rows
  [[nodiscard]] int64_t picks() const;     // after all rows
  [[nodiscard]] int64_t bytes() const;

 private:
  int ranks_;
  int hidden_;
  int first_last_;  // the last exchange of a step without drafts
};

// The same on every rank.
[[nodiscard]] int64_t window_bytes(const model::ModelConfig& config, int ranks);

// Every rank's window, as this rank's device addresses it; bases[rank] is its own. 256-byte aligned.
struct RankWindows {
  int rank = 0;
  int ranks = 1;
  std::array<std::byte*, kMaxRanks> bases{};
};

// Prepares this rank's own window: all rows empty, picks, epochs and `broken` zero. Before any
// rank's first step, and after launches that are not a whole step; all ranks must meet between it
// and the next launch of any of them. Returns when it is done.
void clear_window(const RankWindows& windows, const model::ModelConfig& config,
                  cudaStream_t stream);

// From now on no poll of this rank waits, so that what is enqueued runs to its end, on garbage.
// `stream` must not be the one that the step runs in.
void break_polls(const RankWindows& windows, cudaStream_t stream);

// The rows that exchange `exchange` brought to this rank, added up in the order of the ranks:
// [tokens, hidden]. For launches that no norm follows (one layer alone): all ranks have ended their
// launches and met before; clear_window() afterwards. Exchange 2 l is that of layer l's attention,
// 2 l + 1 of its MLP.
[[nodiscard]] std::vector<float> download_sums(const RankWindows& windows,
                                               const model::ModelConfig& config, int exchange,
                                               int tokens, cudaStream_t stream);

// Whether all rows of this rank's window are empty, as they are between steps.
[[nodiscard]] bool rows_are_empty(const RankWindows& windows, const model::ModelConfig& config,
                                  cudaStream_t stream);

}  // namespace slipstream::step
