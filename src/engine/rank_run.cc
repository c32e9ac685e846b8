// Runs of one rank: steps of the same sequences, with drafts or without.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "engine/rank_engine.h"

namespace slipstream::engine {

using step::kernels::kMaxRows;

std::vector<Sequence*> RankEngine::batch_of(std::span<const SequenceId> ids) {
  const size_t different = std::set<SequenceId>(ids.begin(), ids.end()).size();
  if (ids.empty() || ids.size() > kMaxStepTokens || different != ids.size()) {
    throw InvalidArgument(fmt::format("sequences must be 1 to {} different ones, are {} of {}",
                                      kMaxStepTokens, different, ids.size()));
  }
  std::vector<Sequence*> batch;
  for (const SequenceId id : ids) {
    batch.push_back(&sequences_.at(id));
    if (!batch.back()->next.exists) {
      throw InvalidArgument("sequence must have been prefilled before it is stepped, is empty");
    }
  }
  return batch;
}

void RankEngine::begin_run(std::span<const SequenceId> ids, int count) {
  require_idle();
  if (count < 1) throw InvalidArgument(fmt::format("count must be at least 1, is {}", count));
  Run run;
  run.batch = batch_of(ids);
  run.count = count;
  for (const Sequence* sequence : run.batch) {
    run.is_counted |= sequence->history >= 0;
    run.chosen.push_back(sequence->ready);
  }
  (void)sequences_.reserve(run.batch, count);
  // Steps on their way may choose more than one token each.
  const int drafts = options_.drafts;
  if (drafts > 0) {
    sequences_.reserve_spare(run.batch, count + TokenRing::kSlots * (drafts + 1) + 2 * drafts);
  }
  if (left_ && left_->continues_as(run)) {
    run.last = left_->step;
    upload_pages(run.batch);
    rows_.flush();
  }
  run_ = std::move(run);
}

std::optional<RunStep> RankEngine::next_step() {
  Run& run = *run_;
  if (run.certain() >= run.count || run.on_the_way.size() >= TokenRing::kSlots) return std::nullopt;
  RunStep step = step_with(0);
  const int sequences = step.shape.sequences;
  if (!run.drafts) run.drafts = drafts_.next(sequences);
  step.shape.drafts = std::min(*run.drafts, drafts_.most(sequences));
  const bool is_alone = run.on_the_way.empty();
  // Where the cache ends there is no place for drafts.
  while (is_alone && step.shape.drafts > 0 && !places_fit(step)) --step.shape.drafts;
  const bool must_be_alone = !run.last || !step.has_rows_of(*run.last) || !places_fit(step) ||
                             (draft_source_ && step.shape.drafts > 0);
  if (must_be_alone && !is_alone) return std::nullopt;
  return step;
}

RunStep RankEngine::step_with(int drafts) const {
  RunStep step;
  step.members = run_->unfinished();
  step.shape = {.sequences = static_cast<int>(step.members.size()),
                .drafts = drafts,
                .catches_up = options_.drafts > 0};
  return step;
}

bool RankEngine::places_fit(const RunStep& step) const {
  return std::ranges::all_of(step.members, [&](size_t member) {
    return run_->furthest_position(member) + step.shape.reach() <=
           sequences_.capacity(*run_->batch[member]);
  });
}

void RankEngine::enqueue_step(RunStep step) {
  Run& run = *run_;
  const int drafts = step.shape.drafts;
  step.enqueued_at = std::chrono::steady_clock::now();
  const bool are_left = run.last && step.has_rows_of(*run.last);
  const bool are_given = draft_source_ && drafts > 0;
  if (!are_left || are_given) place_run(step);
  step.judged = are_left || are_given ? drafts : 0;
  replay(step.shape);
  ring_.send(run.enqueued++, workspace_, step.words(), false, options_.stream);
  run.drafts.reset();
  run.last = step;
  run.on_the_way.push_back(std::move(step));
}

// What the device left are rows of another kind; nothing is on its way.
void RankEngine::place_run(const RunStep& step) {
  std::vector<InputRow> rows;
  for (const size_t member : step.members) {
    const Sequence& sequence = *run_->batch[member];
    const std::vector<int>& chosen = run_->chosen[member];
    const int64_t position = run_->furthest_position(member);
    const NextToken newest = chosen.empty() ? sequence.next : NextToken::known(chosen.back(), true);
    rows.push_back(input_row(sequence, position, newest, true));
    for (int draft = 1; draft <= step.shape.drafts; ++draft) {
      const int token = draft_source_ ? draft_source_(sequence.id, position + draft) : 0;
      rows.push_back(input_row(sequence, position + draft, NextToken::known(token, true), true));
    }
  }
  place(run_->batch, rows);
}

RunStep RankEngine::take_step() {
  Run& run = *run_;
  RunStep step = std::move(run.on_the_way.front());
  run.on_the_way.pop_front();
  await_arrival(run.received);
  const std::span<const int> words = ring_.receive(run.received++, step.words());
  // A rank that was not heard leaves garbage, also for counts.
  if (member_ != nullptr) member_->require_all_alive();
  const size_t rows_of_each = step.shape.drafts + 1;
  for (size_t i = 0; i < step.members.size(); ++i) {
    const int count = step.shape.drafts == 0 ? 1 : words[kMaxRows + i];
    if (count < 1 || count > static_cast<int>(rows_of_each)) {
      throw Error(fmt::format("a step must choose 1 to {} tokens of a sequence, chose {}",
                              rows_of_each, count));
    }
    const std::span<const int> tokens = words.subspan(i * rows_of_each, count);
    std::vector<int>& chosen = run.chosen[step.members[i]];
    chosen.insert(chosen.end(), tokens.begin(), tokens.end());
    step.counts.push_back(count);
  }
  return step;
}

void RankEngine::receive_step() {
  Run& run = *run_;
  const RunStep step = take_step();
  for (size_t i = 0; i < step.members.size(); ++i) {
    const std::vector<int>& chosen = run.chosen[step.members[i]];
    note_tokens(std::span(chosen).last(step.counts[i]));
    drafts_.observe_acceptance(step.judged, std::min(step.counts[i] - 1, step.judged));
  }
  const auto now = std::chrono::steady_clock::now();
  // From when it was the device's only one.
  const std::chrono::duration<double> took = now - std::max(run.received_at, step.enqueued_at);
  drafts_.observe_time(step.shape.sequences, step.shape.drafts, took.count());
  run.received_at = now;
  run.last_received = step;
}

void RankEngine::receive_until(int received) {
  while (run_->received < received) receive_step();
}

std::span<const int> RankEngine::next_round() {
  Run& run = *run_;
  run.round.clear();
  for (const std::vector<int>& tokens : run.chosen) run.round.push_back(tokens[run.delivered]);
  ++run.delivered;
  return run.round;
}

void RankEngine::end_run(int tokens, int received) {
  // An engine that drafts keeps what has been chosen beyond.
  receive_until(options_.drafts > 0 ? run_->enqueued : received);
  synchronize(std::ssize(run_->on_the_way));
  // Steps after the one that ended the run have moved the device on.
  const bool all_count = options_.drafts == 0 && tokens == run_->enqueued;
  if (run_->received == run_->enqueued) note_rows_of_logits();
  if (!all_count && run_->is_counted) take_back_counts(tokens);
  const Run run = std::move(*run_);
  run_.reset();
  for (size_t i = 0; i < run.batch.size(); ++i) {
    Sequence& sequence = *run.batch[i];
    const std::vector<int>& chosen = run.chosen[i];
    if (tokens > 0) sequence.next = NextToken::sampled_on_device(chosen[tokens - 1]);
    sequence.next.on_device &= all_count;
    if (options_.drafts > 0) sequence.ready.assign(chosen.begin() + tokens, chosen.end());
    const int64_t length = sequence.length + tokens;
    // What dropped steps would have needed goes back.
    sequences_.roll_back(sequence, length + std::ssize(sequence.ready));
    sequence.length = length;
  }
  if (options_.drafts > 0 && run.last) left_ = LeftRows::of(run);
}

void RankEngine::note_rows_of_logits() {
  const Run& run = *run_;
  if (!run.last_received) return;
  const RunStep& step = *run.last_received;
  const int rows_of_each = step.shape.drafts + 1;
  rows_of_logits_.assign(step.shape.rows(), {});
  for (size_t i = 0; i < step.members.size(); ++i) {
    const Sequence& sequence = *run.batch[step.members[i]];
    const int64_t first = run.furthest_position(step.members[i]) - step.counts[i];
    for (int row = 0; row < step.counts[i]; ++row) {
      rows_of_logits_[i * rows_of_each + row] = {sequence.id, first + row};
    }
  }
}

// Of histories: what steps of a run counted that are dropped, all but the first `tokens`. They have
// no drafts.
void RankEngine::take_back_counts(int tokens) {
  while (!run_->on_the_way.empty()) (void)take_step();
  for (size_t i = 0; i < run_->batch.size(); ++i) {
    const Sequence& sequence = *run_->batch[i];
    if (sequence.history < 0) continue;
    for (int step = tokens; step < run_->enqueued; ++step) {
      // A token that was given stays so: it still is the sequence's next one.
      if (step == 0 && !sequence.next.was_sampled) continue;
      const int input = step == 0 ? sequence.next.token : run_->chosen[i][step - 1];
      rows_.add_to_history(sequence.history, input, -1);
    }
  }
  rows_.flush();
}

}  // namespace slipstream::engine
