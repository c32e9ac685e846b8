// The hand-over of partial sums between launches.
//
// What attention (launch 7) and MLP (launch 10, or the dense down projection) add to the stream is
// this rank's partial sum. Their epilogues put it into PartialRows; the prologues of launches 8 and
// 1, and of the head, take the sum over all ranks from SummedRows, add the residual and norm. No
// launch lies between.
//
// With one rank the partial sum is the sum: both name one buffer, and the order of the launches is
// all the synchronization there is. With several, PartialRows will name a window in every peer's
// memory, into which the epilogue pushes each value with a flag, and SummedRows the windows in
// which the peers' values arrive, one per rank; nothing else of a step changes.
#pragma once

#include <cuda_bf16.h>

#include <string_view>

#include "slipstream/pdl.cuh"
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
};

struct SummedRows {
  pdl::Produced<const __nv_bfloat16> rows;  // [tokens, hidden], read after the wait
};

class Exchange {
 public:
  Exchange() = default;
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] virtual PartialRows partial() const = 0;
  [[nodiscard]] virtual SummedRows summed() const = 0;

  // The same, as lists of launches name it.
  [[nodiscard]] Buffer partial_buffer() const { return {"delta", partial().rows.get()}; }
  [[nodiscard]] Buffer summed_buffer() const { return {"delta", summed().rows.get()}; }
};

// Of one rank.
class LocalExchange final : public Exchange {
 public:
  // `rows` outlives this object.
  explicit LocalExchange(const DeviceArray<__nv_bfloat16>& rows) : rows_(rows) {}

  [[nodiscard]] PartialRows partial() const override { return {rows_.produced()}; }
  [[nodiscard]] SummedRows summed() const override { return {rows_.read()}; }

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

  [[nodiscard]] PartialRows partial() const override;
  [[nodiscard]] SummedRows summed() const override;

 private:
  RankWindows windows_;
  PollRecord* record_;
  uint64_t limit_;
};

}  // namespace slipstream::step
