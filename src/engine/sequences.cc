#include "engine/sequences.h"

#include <fmt/core.h>

#include "engine/kernels/support/step_row.h"
#include "engine/sampling.h"

namespace slipstream::engine {

using kernels::kPageSize;

Sequences::Sequences(int most, int pages, std::int64_t most_positions)
    : most_(most), most_positions_(most_positions) {
  for (int page = pages - 1; page >= 0; --page) free_pages_.push_back(page);
  for (int slot = most - 1; slot >= 0; --slot) free_slots_.push_back(slot);
}

SequenceId Sequences::create(const SamplingOptions& sampling) {
  check_sampling(sampling);
  if (free_slots_.empty()) {
    throw InvalidArgument(
        fmt::format("sequences must be at most max_sequences = {}, are {}", most_, most_ + 1));
  }
  const SequenceId id{next_id_++};
  Sequence& sequence = living_[id];
  sequence.sampling = sampling;
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  return id;
}

void Sequences::free(SequenceId id) {
  const Sequence& sequence = at(id);
  free_slots_.push_back(sequence.slot);
  free_pages_.insert(free_pages_.end(), sequence.pages.begin(), sequence.pages.end());
  living_.erase(id);
}

Sequence& Sequences::at(SequenceId id) {
  const auto found = living_.find(id);
  if (found == living_.end()) {
    throw InvalidArgument(
        fmt::format("sequence must be a living one, is {}", static_cast<std::int64_t>(id)));
  }
  return found->second;
}

bool Sequences::reserve(Sequence& sequence, std::int64_t tokens) {
  const std::int64_t length = sequence.length + tokens;
  if (length > most_positions_) {
    throw InvalidArgument(fmt::format("a sequence must have at most {} tokens, would have {}",
                                      most_positions_, length));
  }
  const auto wanted = static_cast<std::size_t>((length + kPageSize - 1) / kPageSize);
  if (wanted <= sequence.pages.size()) return false;
  const std::size_t missing = wanted - sequence.pages.size();
  if (missing > free_pages_.size()) {
    throw InvalidArgument(fmt::format("the cache must have {} free pages of {} tokens, has {}",
                                      missing, kPageSize, free_pages_.size()));
  }
  for (std::size_t i = 0; i < missing; ++i) {
    sequence.pages.push_back(free_pages_.back());
    free_pages_.pop_back();
  }
  return true;
}

}  // namespace slipstream::engine
