// Prompts and steps of one rank, and what they chose.
#include <fmt/core.h>

#include <algorithm>
#include <array>

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

void RankEngine::upload_pages(std::span<Sequence* const> sequences) {
  for (Sequence* sequence : sequences) {
    for (size_t i = sequence->pages_on_device; i < sequence->pages.size(); ++i) {
      rows_.set_page(sequence->slot, i, sequence->pages[i]);
    }
    sequence->pages_on_device = sequence->pages.size();
  }
}

void RankEngine::place(std::span<Sequence* const> sequences, const std::vector<InputRow>& rows) {
  left_.reset();
  upload_pages(sequences);
  rows_.place(rows);
}

void RankEngine::replay(const step::StepShape& shape) {
  rows_of_logits_.clear();
  const auto enqueue = [&] { step_.enqueue(shape, {.stream = options_.stream}); };
  if (options_.graphs) {
    graphs_.launch(shape, options_.stream, enqueue);
  } else {
    enqueue();
  }
  // Where rows with drafts end up only the device knows.
  if (shape.drafts > 0) return rows_.forget();
  rows_.advance();
}

// Each row chooses a token of its own. An engine that drafts fills the MTP layer's caches, too.
step::StepShape RankEngine::plain_shape(int rows) const {
  return {.sequences = rows, .catches_up = options_.drafts > 0};
}

int RankEngine::prefill(SequenceId id, std::span<const int> ids) {
  require_idle();
  Sequence& sequence = sequences_.at(id);
  if (ids.empty()) throw InvalidArgument("ids must be at least one token id, are none");
  check_ids(ids);
  (void)sequences_.reserve(std::array{&sequence}, static_cast<int64_t>(ids.size()));
  sequence.ready.clear();
  while (!ids.empty()) {
    const int count = std::min<int>(kMaxStepTokens, static_cast<int>(ids.size()));
    std::vector<InputRow> rows;
    for (int i = 0; i < count; ++i) {
      const bool is_last = static_cast<size_t>(i) + 1 == ids.size();
      rows.push_back(
          input_row(sequence, sequence.length + i, NextToken::known(ids[i], false), is_last));
      if (!is_last && options_.drafts > 0) rows.back().row.next = ids[i + 1];
    }
    place(std::array{&sequence}, rows);
    replay(plain_shape(count));
    sequence.length += count;
    ids = ids.subspan(count);
    rows_of_logits_.assign(count, {});
    rows_of_logits_.back() = {id, sequence.length - 1};
  }
  const int token = sampled(static_cast<int>(rows_of_logits_.size())).back();
  sequence.next = NextToken::sampled_on_device(token);
  note_tokens({&token, 1});
  return token;
}

void RankEngine::force(SequenceId sequence, int token) {
  require_idle();
  check_ids({&token, 1});
  sequences_.at(sequence).ready.clear();
  sequences_.at(sequence).next = NextToken::known(token, false);
}

std::vector<float> RankEngine::logits(SequenceId sequence) {
  require_idle();
  const RowOfLogits wanted{sequence, sequences_.at(sequence).length - 1};
  const auto found = std::ranges::find(rows_of_logits_, wanted);
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
