// Generates tokens with a step that drafts, without an Engine around it: the host only looks. And
// what the tests compare of such steps.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "slipstream/sampling.h"
#include "tests/model/support/golden.h"
#include "tests/step/support/device_step.h"

namespace slipstream::step::test {

// A device step with the MTP layer.
inline DeviceStep drafting_step(const std::string& directory, bool fp8_rows = false,
                                const kernels::Set& kernels = kernels::plain_set(),
                                MtpLoad mtp = MtpLoad::kLayer) {
  return {model::Checkpoint::open(directory), nullptr, fp8_rows, kernels, mtp};
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

// The bytes of a sequence's latent rows and index keys at positions below `end`, in all layers.
inline std::vector<std::byte> cache_rows(const DeviceStep& step, int layers, int sequence,
                                         int end) {
  std::vector<std::byte> result;
  const model::reference::PageTable pages = page_tables()[sequence];
  const auto append = [&](const std::vector<std::byte>& cache, size_t offset, size_t size) {
    const auto first = cache.begin() + static_cast<ptrdiff_t>(offset);
    result.insert(result.end(), first, first + static_cast<ptrdiff_t>(size));
  };
  for (int layer = 0; layer < layers; ++layer) {
    const std::vector<std::byte> latent = step.latent_cache(layer);
    const std::vector<std::byte> keys = step.index_keys(layer);
    const size_t row = latent.size() / (kPages * kernels::kPageSize);
    for (int position = 0; position < end; ++position) {
      const size_t slot = pages.slot(position);
      append(latent, slot * row, row);
      const size_t page = slot / kernels::kPageSize * kernels::kIndexPageBytes;
      const size_t in_page = slot % kernels::kPageSize;
      append(keys, page + in_page * kernels::kIndexWidth, kernels::kIndexWidth);
      append(keys, page + kernels::kPageSize * kernels::kIndexWidth + in_page * sizeof(float),
             sizeof(float));
    }
  }
  return result;
}

// How close first drafts are to a golden's, of each of its drafted prompts: both at once, along the
// ends of their continuations. Every step has the golden's tokens.
inline std::vector<double> draft_cosines(const DeviceStep& step,
                                         const model::test::Golden& golden) {
  constexpr int kSteps = 8;
  std::vector<std::vector<int>> ids;  // with the token that follows
  for (const int index : model::test::Golden::drafted_prompts()) {
    const model::test::GoldenPrompt& prompt = golden.prompts()[index];
    ids.push_back(prompt.processed_ids());
    ids.back().push_back(prompt.continuation.back());
    const auto begin = ids.back().begin();
    (void)process_prompt(step, {begin, ids.back().end() - 1 - kSteps},
                         static_cast<int>(ids.size()) - 1, {});
  }
  const int sequences = static_cast<int>(ids.size());
  using model::reference::Matrix;
  std::vector<Matrix> expected(sequences, Matrix(kSteps, step.draft_logits(1).columns()));
  std::vector<Matrix> actual = expected;
  for (int i = 0; i < kSteps; ++i) {
    std::vector<kernels::StepRow> rows;
    for (int sequence = 0; sequence < sequences; ++sequence) {
      const int position = static_cast<int>(ids[sequence].size()) - 1 - kSteps + i;
      kernels::StepRow row{ids[sequence][position], position, sequence};
      row.next = ids[sequence][position + 1];
      rows.push_back(row);
      rows.push_back({0, position + 1, sequence});
      std::ranges::copy(golden.drafts(sequence).row(position), expected[sequence].row(i).begin());
    }
    step.set_rows(rows);
    step.enqueue(StepShape{.sequences = sequences, .drafts = 1});
    step.synchronize();
    // Or the draft would be that of another row.
    EXPECT_EQ(step.won(sequences), std::vector<int>(sequences, 1));
    const Matrix logits = step.draft_logits(sequences);
    for (int sequence = 0; sequence < sequences; ++sequence) {
      std::ranges::copy(logits.row(sequence), actual[sequence].row(i).begin());
    }
  }
  std::vector<double> result;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    result.push_back(model::test::mean_cosine(actual[sequence], expected[sequence]));
  }
  return result;
}

}  // namespace slipstream::step::test
