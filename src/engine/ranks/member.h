// One rank's part in the exchange with others: its window, and what is to be done when a rank falls
// silent or fails.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "engine/ranks/shared_window.h"
#include "model/config.h"
#include "pdl/stream.h"
#include "step/exchange.h"
#include "step/pinned_record.h"

namespace slipstream::engine {

class RankMember {
 public:
  // By all ranks at once, each with its GPU current. `poll_limit_seconds`: how long a kernel waits
  // for another rank before it is given up.
  RankMember(Meeting& meeting, const model::ModelConfig& config, double poll_limit_seconds);
  // Waits for the others to be ready for it. This rank's stream has ended its work.
  ~RankMember();
  RankMember(const RankMember&) = delete;
  RankMember& operator=(const RankMember&) = delete;

  [[nodiscard]] Meeting& meeting() const { return meeting_; }
  [[nodiscard]] const step::Exchange& exchange() const { return exchange_; }
  [[nodiscard]] const step::RankWindows& windows() const { return window_.windows(); }

  // After every wait for this rank's GPU, before what it computed is used: throws RankError if a
  // poll has been given up or the ranks' work has ended otherwise.
  void require_all_alive();
  // Waits for all ranks. Nothing of a step may be under way.
  void meet();
  // Empties this rank's window, and waits until all have done so.
  void clear();

 private:
  // Called by any thread: what this rank's GPU still has to do must end by itself.
  void stop_waiting() noexcept;

  Meeting& meeting_;
  const model::ModelConfig& config_;
  double poll_limit_seconds_;
  int device_ = 0;
  step::PinnedRecord record_;
  pdl::Stream stream_;  // next to that of the steps
  SharedWindow window_;
  step::PeerExchange exchange_;
};

}  // namespace slipstream::engine
