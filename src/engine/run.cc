#include "engine/run.h"

#include <algorithm>

namespace slipstream::engine {

std::vector<size_t> Run::unfinished() const {
  std::vector<size_t> result;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (std::ssize(chosen[i]) < count) result.push_back(i);
  }
  return result;
}

int64_t Run::certain() const {
  int64_t least = count;
  for (const std::vector<int>& tokens : chosen) least = std::min(least, std::ssize(tokens));
  return least + std::ssize(on_the_way);
}

int64_t Run::furthest_position(size_t member) const {
  int64_t result = batch[member]->length + std::ssize(chosen[member]);
  for (const RunStep& step : on_the_way) {
    if (std::ranges::find(step.members, member) != step.members.end()) {
      result += step.shape.drafts + 1;
    }
  }
  return result;
}

bool Run::has_round() const {
  return std::ranges::all_of(
      chosen, [&](const std::vector<int>& tokens) { return std::ssize(tokens) > delivered; });
}

namespace {

// The last token that a sequence of a run has; -1 if only the device knows it.
int newest_token(const Run& run, size_t member) {
  return run.chosen[member].empty() ? run.batch[member]->next.token : run.chosen[member].back();
}

}  // namespace

LeftRows LeftRows::of(const Run& run) {
  LeftRows result;
  result.step = *run.last;
  for (size_t& member : result.step.members) {
    const Sequence& sequence = *run.batch[member];
    result.sequences.push_back(sequence.id);
    result.positions.push_back(sequence.length + std::ssize(sequence.ready));
    result.tokens.push_back(newest_token(run, member));
    // In a run of its own.
    member = result.sequences.size() - 1;
  }
  return result;
}

bool LeftRows::continues_as(const Run& run) const {
  if (sequences.size() != run.batch.size()) return false;
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i] != run.batch[i]->id || positions[i] != run.furthest_position(i) ||
        tokens[i] != newest_token(run, i)) {
      return false;
    }
  }
  return true;
}

}  // namespace slipstream::engine
