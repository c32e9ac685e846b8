// The hand-over of partial sums between launches.
//
// What attention (launch 7) and MLP (launch 10, or the dense down projection) add to the stream is
// this rank's partial sum. Their epilogues put it into PartialRows; the prologues of launches 8 and
// 1, and of the head, take the sum over all ranks from SummedRows, add the residual and norm. No
// launch lies between.
//
// With one rank the partial sum is the sum: both name one buffer, and the order of the launches is
// all the synchronization there is. With several, PartialRows names this rank's rows in every
// rank's window (windows.h), into which the epilogue pushes, and SummedRows the windows' rows in
// which all ranks' values arrive, which the prologue polls.
#pragma once

#include <cuda_bf16.h>

#include <optional>
#include <string_view>

#include "slipstream/pdl.cuh"
#include "step/kernels/sample/params.h"
#include "step/kernels/support/peers.h"
#include "step/windows.h"
#include "step/workspace.h"

namespace slipstream::step {

// Device memory by the name that it has in Workspace, LayerCache or LayerWeights.
struct Buffer {
  std::string_view name;
  const void* data;
};

struct PartialRows {
  pdl::Produced<__nv_bfloat16> rows;  // [tokens, hidden], written after the wait
  kernels::PeerOffsets peers = {};    // of several ranks
};

// One of both.
struct SummedRows {
  pdl::Produced<const __nv_bfloat16> rows;  // [tokens, hidden], read after the wait
  kernels::PolledRows polled = {};          // of several ranks
};

// Rows of which every rank computes some columns, and gets all.
struct GatheredColumns {
  PartialRows own;  // [tokens, hidden], from this rank's first column on
  SummedRows all;   // a sum of one
  kernels::GatheredRows emptied;
};

// The exchanges of a step are counted: 2 l is that of layer l's attention, 2 l + 1 of its MLP. The
// turns of an MTP layer follow as if they were layers.
[[nodiscard]] constexpr int attention_exchange(int layer) { return 2 * layer; }
[[nodiscard]] constexpr int mlp_exchange(int layer) { return 2 * layer + 1; }

class Exchange {
 public:
  Exchange() = default;
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] virtual PartialRows partial(int exchange) const = 0;
  [[nodiscard]] virtual SummedRows summed(int exchange) const = 0;
  // What an MTP layer's turn starts from, of which this rank's columns begin with `first`. With one
  // rank nothing.
  [[nodiscard]] virtual std::optional<GatheredColumns> gathered(int first) const = 0;
  // How the ranks choose tokens together after exchange `last`; what this one's share of the ids is,
  // is left open.
  [[nodiscard]] virtual kernels::SharedVocabulary vocabulary(int last) const = 0;

  // The same rows, as lists of launches name them.
  [[nodiscard]] virtual Buffer buffer(int exchange) const = 0;
};

// Of one rank.
class LocalExchange final : public Exchange {
 public:
  // `rows` outlives this object.
  explicit LocalExchange(const DeviceArray<__nv_bfloat16>& rows) : rows_(rows) {}

  [[nodiscard]] PartialRows partial(int /*exchange*/) const override { return {rows_.produced()}; }
  [[nodiscard]] SummedRows summed(int /*exchange*/) const override { return {rows_.read()}; }
  [[nodiscard]] std::optional<GatheredColumns> gathered(int /*first*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] kernels::SharedVocabulary vocabulary(int /*last*/) const override { return {}; }
  [[nodiscard]] Buffer buffer(int /*exchange*/) const override { return {"delta", rows_.data()}; }

 private:
  const DeviceArray<__nv_bfloat16>& rows_;
};

// Of several ranks, over their windows.
class PeerExchange final : public Exchange {
 public:
  // `record` is this rank's, as its device addresses it. A poll that waits longer than
  // `limit_nanoseconds` writes it, and no other poll of this rank waits from then on.
  PeerExchange(const RankWindows& windows, const model::ModelConfig& config, PollRecord* record,
               uint64_t limit_nanoseconds);

  [[nodiscard]] PartialRows partial(int exchange) const override;
  [[nodiscard]] SummedRows summed(int exchange) const override;
  [[nodiscard]] std::optional<GatheredColumns> gathered(int first) const override;
  [[nodiscard]] kernels::SharedVocabulary vocabulary(int last) const override;
  [[nodiscard]] Buffer buffer(int exchange) const override;

 private:
  // What rank 0 sends for an exchange, in this rank's window.
  [[nodiscard]] uint32_t* rows_of(int exchange) const;

  WindowLayout layout_;
  int rank_;
  std::byte* own_;  // this rank's window
  kernels::PeerOffsets peers_;
  kernels::PollLimit limit_;
};

// Which rank had not sent what a poll of one of `ranks` waited for.
[[nodiscard]] int silent_rank(const PollRecord& record, const model::ModelConfig& config,
                              int ranks);

}  // namespace slipstream::step
