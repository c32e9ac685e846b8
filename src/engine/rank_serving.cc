// What a server asks of one rank: sequences with all options, steps of mixed rows, and their tokens.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/rank_engine.h"
#include "model/logit_adjustment.h"

namespace slipstream::engine {
namespace {

using step::kernels::kPageSize;

void check_mask(const StepPart& part, int vocabulary) {
  if (part.mask.empty()) return;
  const auto words = static_cast<size_t>((vocabulary + 31) / 32);
  if (part.mask.size() != words) {
    throw InvalidArgument(fmt::format("mask must be {} words, one bit for each of {} tokens, is {}",
                                      words, vocabulary, part.mask.size()));
  }
  for (size_t i = 0; i < words; ++i) {
    const int bits = std::min(32, vocabulary - static_cast<int>(i) * 32);
    const uint32_t inside = 0xffffffffU >> (32 - bits);
    if ((part.mask[i] & inside) != 0) return;
  }
  throw InvalidArgument("mask must allow at least one token, allows none");
}

int tokens_of(std::span<const StepPart> parts) {
  size_t sum = 0;
  for (const StepPart& part : parts) sum += part.ids.size();
  return static_cast<int>(std::min<size_t>(sum, 1 << 20));
}

TokenLogprobs reported(const step::kernels::RowLogprobs& row) {
  TokenLogprobs result{.logprob = row.chosen, .rank = row.rank};
  result.ids.assign(row.ids, row.ids + row.count);
  result.logprobs.assign(row.logprobs, row.logprobs + row.count);
  return result;
}

}  // namespace

SequenceId RankEngine::create_sequence(const SequenceOptions& options) {
  check_ids(options.given_ids);
  check_ids(options.sampled_ids);
  check_ids(options.stop_token_ids);
  if (options_.drafts > 0 && model::has_adjustment(options.sampling, options.logit_bias)) {
    throw InvalidArgument(fmt::format(
        "drafts of an engine must be 0 for penalties and logit_bias, are {}: they would "
        "count drafts that are rejected",
        options_.drafts));
  }
  std::set<int> biased;
  for (const LogitBias& entry : options.logit_bias) {
    check_ids({&entry.token, 1});
    if (!std::isfinite(entry.bias)) {
      throw InvalidArgument(fmt::format("logit_bias of token {} must be a finite number, is {}",
                                        entry.token, entry.bias));
    }
    if (biased.insert(entry.token).second) continue;
    throw InvalidArgument(
        fmt::format("logit_bias must be of different tokens, has {} twice", entry.token));
  }
  const SequenceId id = sequences_.create(options);
  upload_history(sequences_.at(id), options);
  return id;
}

void RankEngine::upload_history(const Sequence& sequence, const SequenceOptions& options) {
  if (sequence.history < 0) return;
  rows_.clear_history(sequence.history);
  std::map<int, uint32_t> words;
  for (const int token : options.given_ids) words[token] = step::kernels::kGiven;
  for (const int token : options.sampled_ids) ++words[token];
  for (const auto& [token, word] : words) {
    rows_.add_to_history(sequence.history, token, static_cast<int>(word));
  }
  for (const LogitBias& entry : options.logit_bias) {
    rows_.set_bias(sequence.history, entry.token, entry.bias);
  }
  rows_.flush();
}

void RankEngine::free(SequenceId sequence) { sequences_.free(sequence); }

int64_t RankEngine::length(SequenceId sequence) { return sequences_.at(sequence).length; }

void RankEngine::append_pages(SequenceId sequence, std::span<const int> pages) {
  sequences_.append_pages(sequence, pages);
}

std::vector<Growth> RankEngine::growths_of(std::span<const StepPart> parts) {
  std::set<SequenceId> different;
  for (const StepPart& part : parts) different.insert(part.sequence);
  const int tokens = tokens_of(parts);
  if (parts.empty() || different.size() != parts.size()) {
    throw InvalidArgument(
        fmt::format("parts of a step must be at least one, each of another sequence, are {} of {}",
                    parts.size(), different.size()));
  }
  if (tokens > kMaxStepTokens) {
    throw InvalidArgument(
        fmt::format("a step must have at most {} tokens, has {}", kMaxStepTokens, tokens));
  }
  std::vector<Growth> result;
  for (const StepPart& part : parts) {
    result.push_back({&sequences_.at(part.sequence), static_cast<int64_t>(part.ids.size())});
  }
  return result;
}

void RankEngine::check_part(const StepPart& part, const Sequence& sequence) const {
  if (part.ids.empty()) throw InvalidArgument("ids must be at least one token id, are none");
  std::span<const int> ids = part.ids;
  if (ids.front() == kLastSampled) {
    if (!sequence.next.exists) {
      throw InvalidArgument(
          fmt::format("sequence {} must have a sampled token for kLastSampled, has none",
                      static_cast<int64_t>(sequence.id)));
    }
    ids = ids.subspan(1);
  }
  check_ids(ids);
  check_mask(part, config().vocab_size);
}

void RankEngine::check_writes(std::span<const Growth> growths) const {
  if (!options_.external_pages) return;
  std::set<int> written;
  for (const auto& [sequence, tokens] : growths) {
    const int64_t last = (sequence->length + tokens - 1) / kPageSize;
    for (int64_t i = sequence->length / kPageSize; i <= last; ++i) {
      const int page = sequence->pages[i];
      if (written.insert(page).second) continue;
      throw InvalidArgument(
          fmt::format("a page must be written by one sequence of a step, {} is by two", page));
    }
  }
}

Ticket RankEngine::enqueue(std::span<const StepPart> parts) {
  if (options_.drafts > 0) {
    throw InvalidArgument(fmt::format(
        "drafts of an engine must be 0 for enqueue(), are {}: it has no drafts", options_.drafts));
  }
  if (queue_.size() >= kMaxStepsOnTheirWay) {
    throw InvalidArgument(fmt::format(
        "at most {} steps can be on their way: one must be waited for first", kMaxStepsOnTheirWay));
  }
  const std::vector<Growth> growths = growths_of(parts);
  for (size_t i = 0; i < parts.size(); ++i) check_part(parts[i], *growths[i].sequence);
  (void)sequences_.reserve(growths);
  check_writes(growths);

  const int64_t number = queue_.next_number();
  QueuedStep step;
  std::vector<Sequence*> sequences;
  std::vector<InputRow> rows;
  std::vector<RowOfLogits> rows_of_logits;
  bool with_logprobs = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    Sequence& sequence = *growths[i].sequence;
    sequences.push_back(&sequence);
    add_rows(parts[i], sequence, rows);
    rows_of_logits.resize(rows.size());
    rows_of_logits.back() = {sequence.id, rows.back().row.position};
    const int last = static_cast<int>(rows.size()) - 1;
    with_logprobs |= (rows.back().row.flags & step::kernels::kWantsLogprobs) != 0;
    if (parts[i].sample && !parts[i].mask.empty()) {
      masks_.send(number, last, parts[i].mask, workspace_, options_.stream);
    }
    step.parts.push_back(
        {sequence.id, last, parts[i].sample, sequence.sampling.logprobs, sequence.stops});
  }
  step.rows = static_cast<int>(rows.size());
  place(sequences, rows);
  replay(plain_shape(step.rows));
  ring_.send(number, workspace_, step.rows, with_logprobs, options_.stream);
  rows_of_logits_ = std::move(rows_of_logits);
  for (size_t i = 0; i < parts.size(); ++i) {
    Sequence& sequence = *sequences[i];
    sequence.length += growths[i].tokens;
    sequence.next = parts[i].sample ? NextToken::sampled_on_device(-1, number) : NextToken{};
  }
  queue_.push(std::move(step));
  return Ticket{number};
}

void RankEngine::add_rows(const StepPart& part, const Sequence& sequence,
                          std::vector<InputRow>& rows) {
  const size_t count = part.ids.size();
  for (size_t i = 0; i < count; ++i) {
    const NextToken token =
        part.ids[i] == kLastSampled ? sequence.next : NextToken::known(part.ids[i], false);
    const bool is_sampled = part.sample && i + 1 == count;
    rows.push_back(
        input_row(sequence, sequence.length + static_cast<int64_t>(i), token, is_sampled));
  }
  if (!part.sample) return;
  InputRow& last = rows.back();
  if (!part.mask.empty()) last.row.flags |= step::kernels::kMasked;
  if (sequence.sampling.logprobs >= 0) {
    last.row.flags |= step::kernels::kWantsLogprobs;
    last.extras.logprobs = sequence.sampling.logprobs;
  }
}

std::vector<StepToken> RankEngine::wait(Ticket ticket) {
  const QueuedStep& step = queue_.claim(ticket);
  const std::span<const int> tokens = ring_.receive(step.number, step.rows);
  if (member_ != nullptr) member_->require_all_alive();
  std::vector<StepToken> result;
  for (const QueuedPart& part : step.parts) {
    StepToken& of_part = result.emplace_back();
    of_part.sequence = part.sequence;
    if (!part.is_sampled) continue;
    of_part.token = tokens[part.row];
    of_part.is_stop =
        std::find(part.stops->begin(), part.stops->end(), of_part.token) != part.stops->end();
    if (part.logprobs >= 0) of_part.logprobs = reported(ring_.logprobs(step.number, part.row));
  }
  queue_.finish(tokens);
  return result;
}

void RankEngine::settle() {
  while (const std::optional<QueuedStep> step = queue_.take()) {
    for (const QueuedPart& part : step->parts) {
      if (!part.is_sampled) continue;
      const int token = step->tokens[part.row];
      note_tokens({&token, 1});
      Sequence* sequence = sequences_.find(part.sequence);
      if (sequence != nullptr && sequence->next.step == step->number) sequence->next.token = token;
    }
  }
}

void RankEngine::settle_until(int64_t steps) {
  while (queue_.settled() < steps) {
    (void)wait(Ticket{queue_.settled()});
    settle();
  }
}

}  // namespace slipstream::engine
