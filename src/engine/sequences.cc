#include "engine/sequences.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

#include "model/logit_adjustment.h"
#include "model/sampling.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::engine {
namespace {

using step::kernels::kPageSize;

size_t pages_for(int64_t tokens) {
  return static_cast<size_t>((tokens + kPageSize - 1) / kPageSize);
}

// As a stack that gives 0 first.
std::vector<int> numbers_below(int count) {
  std::vector<int> result;
  for (int number = count - 1; number >= 0; --number) result.push_back(number);
  return result;
}

int take_last(std::vector<int>& numbers) {
  const int last = numbers.back();
  numbers.pop_back();
  return last;
}

}  // namespace

Sequences::Sequences(const SequenceLimits& limits)
    : limits_(limits),
      free_pages_(numbers_below(limits.external_pages ? 0 : limits.pages)),
      free_slots_(numbers_below(limits.most)),
      free_histories_(numbers_below(limits.most_adjusted)) {}

SequenceId Sequences::create(const SequenceOptions& options) {
  model::check_sampling(options.sampling);
  check_pages_of(options);
  if (free_slots_.empty()) {
    throw InvalidArgument(fmt::format("sequences must be at most max_sequences = {}, are {}",
                                      limits_.most, limits_.most + 1));
  }
  const bool is_adjusted = model::has_adjustment(options.sampling, options.logit_bias);
  if (is_adjusted && free_histories_.empty()) {
    throw InvalidArgument(
        fmt::format("sequences with penalties or logit_bias must be at most "
                    "max_adjusted_sequences = {}, are {}",
                    limits_.most_adjusted, limits_.most_adjusted + 1));
  }
  const SequenceId id{next_id_++};
  Sequence& sequence = living_[id];
  sequence.id = id;
  sequence.sampling = options.sampling;
  sequence.slot = take_last(free_slots_);
  if (is_adjusted) sequence.history = take_last(free_histories_);
  sequence.pages = options.pages;
  sequence.length = options.length;
  sequence.stops = std::make_shared<const std::vector<int>>(options.stop_token_ids);
  return id;
}

void Sequences::check_pages_of(const SequenceOptions& options) const {
  if (!limits_.external_pages && (!options.pages.empty() || options.length != 0)) {
    throw InvalidArgument(
        "pages and length of a new sequence must be none without external_pages, are given");
  }
  check_pages({}, options.pages);
  const auto most =
      std::min(static_cast<int64_t>(options.pages.size()) * kPageSize, limits_.most_positions);
  if (options.length < 0 || options.length > most) {
    throw InvalidArgument(fmt::format("length must be from 0 to {}, what {} pages hold, is {}",
                                      most, options.pages.size(), options.length));
  }
}

void Sequences::check_pages(std::span<const int> had, std::span<const int> added) const {
  const size_t most = pages_for(limits_.most_positions);
  if (had.size() + added.size() > most) {
    throw InvalidArgument(fmt::format("a sequence must have at most {} pages, would have {}", most,
                                      had.size() + added.size()));
  }
  std::vector<int> sorted(had.begin(), had.end());
  sorted.insert(sorted.end(), added.begin(), added.end());
  std::sort(sorted.begin(), sorted.end());
  for (const int page : added) {
    if (page >= 0 && page < limits_.pages) continue;
    throw InvalidArgument(fmt::format("page must be from 0 to cache_pages() - 1 = {}, is {}",
                                      limits_.pages - 1, page));
  }
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return;
  throw InvalidArgument(fmt::format("pages of a sequence must be different, has {} twice", *twice));
}

void Sequences::append_pages(SequenceId id, std::span<const int> pages) {
  Sequence& sequence = at(id);
  if (!limits_.external_pages) {
    throw InvalidArgument("pages must come from the engine without external_pages, are given");
  }
  check_pages(sequence.pages, pages);
  sequence.pages.insert(sequence.pages.end(), pages.begin(), pages.end());
}

void Sequences::free(SequenceId id) {
  const Sequence& sequence = at(id);
  free_slots_.push_back(sequence.slot);
  if (sequence.history >= 0) free_histories_.push_back(sequence.history);
  if (!limits_.external_pages) {
    free_pages_.insert(free_pages_.end(), sequence.pages.begin(), sequence.pages.end());
  }
  living_.erase(id);
}

Sequence* Sequences::find(SequenceId id) {
  const auto found = living_.find(id);
  return found == living_.end() ? nullptr : &found->second;
}

Sequence& Sequences::at(SequenceId id) {
  Sequence* sequence = find(id);
  if (sequence == nullptr) {
    throw InvalidArgument(
        fmt::format("sequence must be a living one, is {}", static_cast<int64_t>(id)));
  }
  return *sequence;
}

size_t Sequences::missing_pages(const Growth& growth) const {
  const Sequence& sequence = *growth.sequence;
  const int64_t length = sequence.length + growth.tokens;
  if (length > limits_.most_positions) {
    throw InvalidArgument(fmt::format("a sequence must have at most {} tokens, would have {}",
                                      limits_.most_positions, length));
  }
  const size_t wanted = pages_for(length);
  const size_t missing = wanted - std::min(wanted, sequence.pages.size());
  if (missing > 0 && limits_.external_pages) {
    throw InvalidArgument(fmt::format("a sequence must have {} pages for {} tokens, has {}", wanted,
                                      length, sequence.pages.size()));
  }
  return missing;
}

std::vector<Sequence*> Sequences::reserve(std::span<const Growth> growths) {
  size_t missing = 0;
  for (const Growth& growth : growths) missing += missing_pages(growth);
  if (missing > free_pages_.size()) {
    throw InvalidArgument(fmt::format("the cache must have {} free pages of {} tokens, has {}",
                                      missing, kPageSize, free_pages_.size()));
  }
  std::vector<Sequence*> grown;
  for (const Growth& growth : growths) {
    const auto count = static_cast<ptrdiff_t>(missing_pages(growth));
    if (count == 0) continue;
    // The last ones, from the back.
    std::vector<int>& pages = growth.sequence->pages;
    pages.insert(pages.end(), free_pages_.rbegin(), free_pages_.rbegin() + count);
    free_pages_.resize(free_pages_.size() - count);
    grown.push_back(growth.sequence);
  }
  return grown;
}

std::vector<Sequence*> Sequences::reserve(std::span<Sequence* const> sequences, int64_t tokens) {
  std::vector<Growth> growths;
  for (Sequence* sequence : sequences) growths.push_back({sequence, tokens});
  return reserve(growths);
}

void Sequences::reserve_spare(std::span<Sequence* const> sequences, int64_t tokens) {
  for (Sequence* sequence : sequences) {
    const size_t wanted = pages_for(std::min(sequence->length + tokens, limits_.most_positions));
    while (sequence->pages.size() < wanted && !free_pages_.empty()) {
      sequence->pages.push_back(take_last(free_pages_));
    }
  }
}

int64_t Sequences::capacity(const Sequence& sequence) const {
  return std::min(static_cast<int64_t>(sequence.pages.size()) * kPageSize, limits_.most_positions);
}

void Sequences::roll_back(Sequence& sequence, int64_t length) {
  sequence.length = length;
  if (limits_.external_pages) return;
  const size_t kept = pages_for(length);
  while (sequence.pages.size() > kept) {
    free_pages_.push_back(sequence.pages.back());
    sequence.pages.pop_back();
  }
  sequence.pages_on_device = std::min(sequence.pages_on_device, sequence.pages.size());
}

}  // namespace slipstream::engine
