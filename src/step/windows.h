// The memory through which ranks exchange: one window per rank, of the same size everywhere, which
// every rank's kernels can store into.
//
//   head   {broken, epochs}: this rank's own
//   rows   [buffers][source ranks][16 tokens][hidden] bf16: partial sums on their way
//   picks  [rounds][source ranks][16 tokens][256] of 16 bytes: what sampling agrees on
//
// What comes from rank r is written by rank r alone, its own share included. Rows need neither flag
// nor counter: a pair of bf16 is there once it is no longer kEmptyPair. Picks carry an epoch.
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
using PollRecord = kernels::PollRecord;

// Where things lie in a window.
class WindowLayout {
 public:
  WindowLayout(const model::ModelConfig& config, int ranks);

  [[nodiscard]] int ranks() const { return ranks_; }
  [[nodiscard]] int hidden() const { return hidden_; }
  [[nodiscard]] int exchanges() const { return exchanges_; }  // of a step
  // Exchange e uses buffer e mod 3, so that what is emptied while e + 1 is read is not written
  // before e + 3. The first exchange of a step may be on its way before the last one of the step
  // before is emptied: if both would use buffer 0, the last one has a fourth.
  [[nodiscard]] int buffer_of(int exchange) const;
  [[nodiscard]] int buffers() const;
  // Bytes from the window's start to the rows that rank `source` sends in an exchange, and from
  // there to those of the next rank.
  [[nodiscard]] int64_t rows(int exchange, int source) const;
  [[nodiscard]] int64_t source_bytes() const;
  [[nodiscard]] int64_t picks() const;  // after all rows
  [[nodiscard]] int64_t bytes() const;

 private:
  int ranks_;
  int hidden_;
  int exchanges_;
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
