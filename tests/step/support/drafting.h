// Generates tokens with a step that drafts, without an Engine around it: the host only looks.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "slipstream/sampling.h"
#include "tests/step/support/device_step.h"

namespace slipstream::step::test {

// A device step with the MTP layer.
inline DeviceStep drafting_step(const std::string& directory, bool fp8_rows = false,
                                const kernels::Set& kernels = kernels::plain_set()) {
  return {model::Checkpoint::open(directory), nullptr, fp8_rows, kernels, /*drafts=*/true};
}

// What a sequence has generated, and the row of its newest token, which no step has processed.
struct Generated {
  kernels::StepRow next;
  std::vector<int> tokens;
  std::vector<int> won;  // by each step
};

inline kernels::StepRow sampled_row(int sequence, const SamplingOptions& sampling) {
  kernels::StepRow row;
  row.sequence = sequence;
  row.temperature = sampling.temperature;
  row.top_k = sampling.top_k;
  row.top_p = sampling.top_p;
  row.seed = sampling.seed;
  return row;
}

// Processes a prompt in chunks of `chunk`, the MTP layer's caches included.
inline Generated process_prompt(const DeviceStep& step, const std::vector<int>& ids, int sequence,
                                const SamplingOptions& sampling, int chunk = kernels::kMaxRows) {
  const int length = static_cast<int>(ids.size());
  kernels::StepRow row = sampled_row(sequence, sampling);
  int token = 0;
  for (int first = 0; first < length; first += chunk) {
    const int count = std::min(chunk, length - first);
    std::vector<kernels::StepRow> rows;
    for (int i = first; i < first + count; ++i) {
      row.token = ids[i];
      row.position = i;
      row.next = i + 1 < length ? ids[i + 1] : kernels::kUnknownToken;
      rows.push_back(row);
    }
    step.set_rows(rows);
    step.enqueue(StepShape{.sequences = count, .catches_up = true});
    step.synchronize();
    token = step.sampled(count).back();
  }
  row.token = token;
  row.position = length;
  row.next = kernels::kUnknownToken;
  return {row, {token}, {}};
}

// The rows of the next step, and those that are drafts.
using ChangeDrafts = std::function<void(const Generated& sequence, std::span<kernels::StepRow>)>;

// Steps that draft until every sequence has `count` tokens. Before each, `change` may put others in
// place of the drafts, which are rows 1 and up.
inline void generate(const DeviceStep& step, std::vector<Generated*> sequences, int drafts,
                     size_t count, const ChangeDrafts& change = {}) {
  const StepShape shape{.sequences = static_cast<int>(sequences.size()), .drafts = drafts};
  const int m = drafts + 1;
  std::vector<kernels::StepRow> rows;
  for (const Generated* sequence : sequences) {
    for (int i = 0; i < m; ++i) {
      rows.push_back(sequence->next);
      rows.back().position += i;
      if (i > 0) rows.back().token = 0;
    }
  }
  const auto is_short = [&](const Generated* sequence) { return sequence->tokens.size() < count; };
  while (std::any_of(sequences.begin(), sequences.end(), is_short)) {
    for (size_t s = 0; change && s < sequences.size(); ++s) {
      change(*sequences[s], std::span(rows).subspan(s * m, m));
    }
    step.set_rows(rows);
    step.enqueue(shape);
    step.synchronize();
    const std::vector<int> chosen = step.sampled(shape.rows());
    const std::vector<int> won = step.won(shape.sequences);
    rows = step.rows(shape.rows());
    for (size_t s = 0; s < sequences.size(); ++s) {
      Generated& sequence = *sequences[s];
      sequence.won.push_back(won[s]);
      const auto first = chosen.begin() + static_cast<ptrdiff_t>(s) * m;
      sequence.tokens.insert(sequence.tokens.end(), first, first + won[s]);
      sequence.next = rows[s * m];
    }
  }
}

// The same tokens without drafts, in steps of `rows` rows, all others of which are of another
// sequence and of no use.
inline void generate_alone(const DeviceStep& step, Generated& sequence, int rows, size_t count) {
  while (sequence.tokens.size() < count) {
    std::vector<kernels::StepRow> all{sequence.next};
    for (int i = 1; i < rows; ++i) {
      all.push_back(sequence.next);
      all.back().sequence = 1 - sequence.next.sequence;
      all.back().position = i - 1;
      all.back().token = i;
    }
    step.set_rows(all);
    step.enqueue(rows);
    step.synchronize();
    sequence.next = step.rows(1).front();
    sequence.tokens.push_back(sequence.next.token);
  }
}

}  // namespace slipstream::step::test
