// Prompts, steps and runs of one rank.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "engine/rank_engine.h"
#include "model/sampling.h"

namespace slipstream::engine {

using step::kernels::kSampledToken;

void RankEngine::require_idle() const {
  if (queue_.size() == 0) return;
  throw InvalidArgument(
      fmt::format("steps on their way must have been waited for, are {}", queue_.size()));
}

void RankEngine::check_ids(std::span<const int> ids) const {
  for (const int id : ids) {
    if (id < 0 || id >= config().vocab_size) {
      throw InvalidArgument(fmt::format("token id must be from 0 to vocab_size - 1 = {}, is {}",
                                        config().vocab_size - 1, id));
    }
  }
}

InputRow RankEngine::input_row(const Sequence& sequence, int64_t position, const NextToken& token,
                               bool is_sampled) {
  InputRow result;
  result.sequence = sequence.id;
  result.was_sampled = token.was_sampled;
  result.is_sampled = is_sampled;
  result.extras.history = sequence.history;
  StepRow& row = result.row;
  row.token = token.on_device ? kSampledToken : token.token;
  row.position = static_cast<int>(position);
  row.sequence = sequence.slot;
  if (!is_sampled) return result;
  const SamplingOptions& sampling = sequence.sampling;
  row.temperature = sampling.temperature;
  row.top_k = sampling.top_k;
  row.top_p = sampling.top_p;
  row.seed = sampling.seed;
  if (sequence.history >= 0) {
    row.flags |= step::kernels::kAdjusted;
    result.extras.repetition = sampling.repetition_penalty;
    result.extras.presence = sampling.presence_penalty;
    result.extras.frequency = sampling.frequency_penalty;
  }
  if (sampling.min_p > 0 && sampling.temperature > 0) {
    row.flags |= step::kernels::kMinP;
    result.extras.min_p_distance = model::min_p_distance(sampling);
  }
  return result;
}

void RankEngine::place(std::span<Sequence* const> sequences, const std::vector<InputRow>& rows) {
  for (Sequence* sequence : sequences) {
    for (size_t i = sequence->pages_on_device; i < sequence->pages.size(); ++i) {
      rows_.set_page(sequence->slot, i, sequence->pages[i]);
    }
    sequence->pages_on_device = sequence->pages.size();
  }
  rows_.place(rows);
}

void RankEngine::replay(int tokens) {
  rows_of_logits_.clear();
  const auto enqueue = [&] { enqueue_launches(tokens); };
  if (options_.graphs) {
    graphs_.launch(tokens, options_.stream, enqueue);
  } else {
    enqueue();
  }
  rows_.advance();
}

int RankEngine::prefill(SequenceId id, std::span<const int> ids) {
  require_idle();
  Sequence& sequence = sequences_.at(id);
  if (ids.empty()) throw InvalidArgument("ids must be at least one token id, are none");
  check_ids(ids);
  (void)sequences_.reserve(std::array{&sequence}, static_cast<int64_t>(ids.size()));
  const int64_t length_before = sequence.length;
  int on_their_way = 0;
  while (!ids.empty()) {
    if (is_canceled_ && is_canceled_()) {
      take_back(sequence, length_before, on_their_way);
      throw Canceled("prefill was canceled");
    }
    // So that a long prompt can be canceled, and its steps be limited in time.
    if (on_their_way == kMaxStepsOnTheirWay) {
      synchronize(on_their_way);
      on_their_way = 0;
    }
    const int count = std::min<int>(kMaxStepTokens, static_cast<int>(ids.size()));
    std::vector<InputRow> rows;
    for (int i = 0; i < count; ++i) {
      const bool is_last = static_cast<size_t>(i) + 1 == ids.size();
      rows.push_back(
          input_row(sequence, sequence.length + i, NextToken::known(ids[i], false), is_last));
    }
    place(std::array{&sequence}, rows);
    replay(count);
    ++on_their_way;
    sequence.length += count;
    ids = ids.subspan(count);
    rows_of_logits_.assign(count, SequenceId{-1});
    rows_of_logits_.back() = id;
  }
  // The copy of the token would wait without limit.
  if (options_.step_limit > 0) synchronize(on_their_way);
  const int token = sampled(static_cast<int>(rows_of_logits_.size())).back();
  sequence.next = NextToken::sampled_on_device(token);
  note_tokens({&token, 1});
  return token;
}

void RankEngine::take_back(Sequence& sequence, int64_t length, int steps) {
  synchronize(steps);
  rows_of_logits_.clear();
  // The host knows the token that was to be next; where the device had it, other rows are now.
  sequence.next.on_device = false;
  sequences_.roll_back(sequence, length);
}

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
  run.ids.assign(ids.begin(), ids.end());
  run.batch = batch_of(ids);
  run.count = count;
  (void)sequences_.reserve(run.batch, count);
  std::vector<InputRow> rows;
  for (const Sequence* sequence : run.batch) {
    rows.push_back(input_row(*sequence, sequence->length, sequence->next, true));
    run.is_counted |= sequence->history >= 0;
  }
  place(run.batch, rows);
  run_ = std::move(run);
}

void RankEngine::enqueue_step() {
  replay(run_->tokens());
  ring_.send(run_->enqueued++, workspace_, run_->tokens(), false, options_.stream);
}

std::span<const int> RankEngine::receive_step() {
  await_arrival(run_->received);
  const std::span<const int> chosen = ring_.receive(run_->received, run_->tokens());
  if (member_ != nullptr) member_->require_all_alive();
  run_->last.assign(chosen.begin(), chosen.end());
  if (run_->is_counted) run_->chosen.push_back(run_->last);
  ++run_->received;
  note_tokens(run_->last);
  return run_->last;
}

void RankEngine::end_run(int steps, int received) {
  while (run_->received < received) (void)receive_step();
  synchronize(run_->enqueued - run_->received);
  Run run = std::move(*run_);
  run_.reset();
  // Steps after the one that ended the run have moved the device on.
  const bool all_count = steps == run.enqueued;
  if (!all_count && run.is_counted) take_back_counts(run, steps);
  for (int i = 0; i < run.tokens(); ++i) {
    Sequence& sequence = *run.batch[i];
    if (steps > 0) sequence.next = NextToken::sampled_on_device(run.last[i]);
    sequence.next.on_device &= all_count;
    sequence.length += steps;
    // What dropped steps would have needed goes back.
    if (steps < run.count) sequences_.roll_back(sequence, sequence.length);
  }
  if (all_count) rows_of_logits_ = run.ids;
}

void RankEngine::take_back_counts(Run& run, int steps) {
  for (int step = run.received; step < run.enqueued; ++step) {
    const std::span<const int> chosen = ring_.receive(step, run.tokens());
    run.chosen.emplace_back(chosen.begin(), chosen.end());
  }
  for (int i = 0; i < run.tokens(); ++i) {
    const Sequence& sequence = *run.batch[i];
    if (sequence.history < 0) continue;
    for (int step = steps; step < run.enqueued; ++step) {
      // A token that was given stays so: it still is the sequence's next one.
      if (step == 0 && !sequence.next.was_sampled) continue;
      const int input = step == 0 ? sequence.next.token : run.chosen[step - 1][i];
      rows_.add_to_history(sequence.history, input, -1);
    }
  }
  rows_.flush();
}

void RankEngine::force(SequenceId sequence, int token) {
  require_idle();
  check_ids({&token, 1});
  sequences_.at(sequence).next = NextToken::known(token, false);
}

std::vector<float> RankEngine::logits(SequenceId sequence) {
  require_idle();
  (void)sequences_.at(sequence);
  const auto found = std::find(rows_of_logits_.begin(), rows_of_logits_.end(), sequence);
  if (found == rows_of_logits_.end()) {
    throw InvalidArgument("logits must be those of a sequence of the last step, are of another");
  }
  const int64_t row = found - rows_of_logits_.begin();
  std::vector<float> result(weights_.head().rows);
  check_cuda(
      cudaMemcpyAsync(result.data(), workspace_.logits.data() + row * weights_.head().rows,
                      result.size() * sizeof(float), cudaMemcpyDeviceToHost, options_.stream),
      "copy of the logits");
  synchronize();
  return result;
}

std::vector<int> RankEngine::sampled(int tokens) {
  std::vector<int> result(tokens);
  check_cuda(cudaMemcpyAsync(result.data(), workspace_.sampled.data(), tokens * sizeof(int),
                             cudaMemcpyDeviceToHost, options_.stream),
             "copy of the sampled tokens");
  synchronize();
  return result;
}

}  // namespace slipstream::engine
