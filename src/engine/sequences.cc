#include "engine/sequences.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

#include "model/sampling.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::engine {

using step::kernels::kPageSize;

Sequences::Sequences(int most, int pages, int64_t most_positions)
    : most_(most), most_positions_(most_positions) {
  for (int page = pages - 1; page >= 0; --page) free_pages_.push_back(page);
  for (int slot = most - 1; slot >= 0; --slot) free_slots_.push_back(slot);
}

SequenceId Sequences::create(const SamplingOptions& sampling) {
  model::check_sampling(sampling);
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
        fmt::format("sequence must be a living one, is {}", static_cast<int64_t>(id)));
  }
  return found->second;
}

size_t Sequences::missing_pages(const Sequence& sequence, int64_t tokens) const {
  const int64_t length = sequence.length + tokens;
  if (length > most_positions_) {
    throw InvalidArgument(fmt::format("a sequence must have at most {} tokens, would have {}",
                                      most_positions_, length));
  }
  const auto wanted = static_cast<size_t>((length + kPageSize - 1) / kPageSize);
  return wanted - std::min(wanted, sequence.pages.size());
}

std::vector<Sequence*> Sequences::reserve(std::span<Sequence* const> sequences, int64_t tokens) {
  size_t missing = 0;
  for (const Sequence* sequence : sequences) missing += missing_pages(*sequence, tokens);
  if (missing > free_pages_.size()) {
    throw InvalidArgument(fmt::format("the cache must have {} free pages of {} tokens, has {}",
                                      missing, kPageSize, free_pages_.size()));
  }
  std::vector<Sequence*> grown;
  for (Sequence* sequence : sequences) {
    const auto count = static_cast<ptrdiff_t>(missing_pages(*sequence, tokens));
    if (count == 0) continue;
    // The last ones, from the back.
    sequence->pages.insert(sequence->pages.end(), free_pages_.rbegin(),
                           free_pages_.rbegin() + count);
    free_pages_.resize(free_pages_.size() - count);
    grown.push_back(sequence);
  }
  return grown;
}

void Sequences::roll_back(Sequence& sequence, int64_t length) {
  const auto kept = static_cast<size_t>((length + kPageSize - 1) / kPageSize);
  while (sequence.pages.size() > kept) {
    free_pages_.push_back(sequence.pages.back());
    sequence.pages.pop_back();
  }
  sequence.length = length;
}

}  // namespace slipstream::engine
