#include "model/checkpoint.h"
#include "step/exchange.h"

namespace slipstream::step {

PeerExchange::PeerExchange(const RankWindows& windows, const model::ModelConfig& config,
                           PollRecord* record, uint64_t limit_nanoseconds)
    : layout_(config, windows.ranks),
      rank_(windows.rank),
      own_(windows.bases.at(windows.rank)),
      limit_{limit_nanoseconds, {reinterpret_cast<kernels::WindowHead*>(own_)}, {record}} {
  peers_.ranks = windows.ranks;
  for (int rank = 0; rank < windows.ranks; ++rank) {
    peers_.bytes[rank] = windows.bases.at(rank) - own_;
  }
}

uint32_t* PeerExchange::rows_of(int exchange) const {
  return reinterpret_cast<uint32_t*>(own_ + layout_.rows(exchange, 0));
}

PartialRows PeerExchange::partial(int exchange) const {
  return {{reinterpret_cast<__nv_bfloat16*>(own_ + layout_.rows(exchange, rank_))}, peers_};
}

SummedRows PeerExchange::summed(int exchange) const {
  kernels::PolledRows polled;
  polled.ranks = layout_.ranks();
  polled.exchange = exchange;
  polled.pairs = {rows_of(exchange)};
  // The `sample` launch empties those of a step's last exchange.
  if (exchange > 0) polled.emptied = {rows_of(exchange - 1)};
  polled.limit = limit_;
  return {{}, polled};
}

// Each column comes from one rank, and all go to one place: a poll for one rank.
std::optional<GatheredColumns> PeerExchange::gathered(int first) const {
  std::byte* const rows = own_ + layout_.gathered();
  auto* const pairs = reinterpret_cast<uint32_t*>(rows);
  kernels::PolledRows polled;
  polled.ranks = 1;
  polled.exchange = kernels::kGathering;
  polled.pairs = {pairs};
  polled.limit = limit_;
  return GatheredColumns{.own = {{reinterpret_cast<__nv_bfloat16*>(rows) + first}, peers_},
                         .all = {{}, polled},
                         .emptied = {{pairs}, layout_.hidden() / 2}};
}

kernels::SharedVocabulary PeerExchange::vocabulary(int last) const {
  return {.peers = peers_,
          .rank = rank_,
          .picks = {reinterpret_cast<uint64_t*>(own_ + layout_.picks())},
          .limit = limit_,
          .emptied = {rows_of(last)},
          .hidden = layout_.hidden()};
}

Buffer PeerExchange::buffer(int exchange) const {
  return {"window", own_ + layout_.rows(exchange, 0)};
}

int silent_rank(const PollRecord& record, const model::ModelConfig& config, int ranks) {
  if (record.exchange != kernels::kGathering) return record.silent_rank;
  int rank = 0;
  while (rank + 1 < ranks &&
         model::part_of(config.hidden_size, model::kTileUnit, {ranks, rank}).end <= record.column) {
    ++rank;
  }
  return rank;
}

}  // namespace slipstream::step
