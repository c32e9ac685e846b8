// The kernels that verify drafts and draw new ones, on logits whose choice is known.

#include <gtest/gtest.h>

#include "model/sampling.h"
#include "pdl/stream.h"
#include "step/kernels/sample/launch.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/device_values.h"

namespace slipstream::step::test {
namespace {

using kernels::kMaxRows;
using kernels::StepRow;

constexpr int kVocabulary = 300;

// Logits whose largest is that of `choices[row]`.
std::vector<float> logits_of(const std::vector<int>& choices) {
  std::vector<float> logits(choices.size() * kVocabulary, -1.0F);
  for (size_t row = 0; row < choices.size(); ++row) {
    logits[row * kVocabulary + choices[row]] = 2;
  }
  return logits;
}

// Rows of a sequence: its token and drafts from `position` on.
void add_rows(const std::vector<int>& tokens, int sequence, int position,
              std::vector<StepRow>& rows) {
  for (const int token : tokens) rows.push_back({token, position++, sequence});
}

struct Drafting {
  std::vector<StepRow> rows;
  std::vector<StepRow> draft_rows;
  std::vector<int> sources;
  std::vector<int> sampled;  // then, at 16 and up, how many count

  [[nodiscard]] int won(int sequence) const { return sampled[kMaxRows + sequence]; }
};

Drafting filled(const std::vector<StepRow>& rows) {
  Drafting result{rows, std::vector<StepRow>(kMaxRows), std::vector<int>(kMaxRows, -1),
                  std::vector<int>(2 * kMaxRows, -1)};
  result.rows.resize(kMaxRows);
  return result;
}

// `tokens` as launch_verify() or launch_draw() take them; `number` 0 verifies.
Drafting run(const Drafting& before, const std::vector<float>& logits, int tokens, int drafts,
             int number) {
  const pdl::Stream stream;
  const DeviceValues<float> device_logits(logits);
  const DeviceValues<StepRow> rows(before.rows);
  const DeviceValues<StepRow> draft_rows(before.draft_rows);
  const DeviceValues<int> sources(before.sources);
  const DeviceValues<int> sampled(before.sampled);
  const kernels::DraftParams params{.sample = {.logits = {device_logits.data()},
                                               .vocabulary = kVocabulary,
                                               .tokens = tokens,
                                               .rows = {rows.data()},
                                               .sampled = {sampled.data()}},
                                    .drafts = drafts,
                                    .number = number,
                                    .draft_rows = {draft_rows.data()},
                                    .sources = {sources.data()}};
  number == 0 ? kernels::launch_verify(params, {.stream = stream.get()})
              : kernels::launch_draw(params, {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  return {rows.download(), draft_rows.download(), sources.download(), sampled.download()};
}

TEST(VerifyKernel, CountsTheDraftsThatAreRightUpToTheFirstWrongOne) {
  // Of three sequences none, one and all of three drafts are right; of the first, later ones would be.
  std::vector<StepRow> rows;
  add_rows({5, 90, 11, 12}, 0, 40, rows);
  add_rows({6, 20, 91, 22}, 1, 7, rows);
  add_rows({7, 30, 31, 32}, 2, 100, rows);
  const std::vector<int> chosen{10, 11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33};
  const Drafting after = run(filled(rows), logits_of(chosen), 12, 3, 0);
  EXPECT_EQ(after.won(0), 1);
  EXPECT_EQ(after.won(1), 2);
  EXPECT_EQ(after.won(2), 4);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(after.sampled[i], chosen[i]) << i;
  // The last token won, at the position after the row that it was chosen in.
  EXPECT_EQ(after.rows[0].token, 10);
  EXPECT_EQ(after.rows[0].position, 41);
  EXPECT_EQ(after.rows[4].token, 21);
  EXPECT_EQ(after.rows[4].position, 9);
  EXPECT_EQ(after.rows[8].token, 33);
  EXPECT_EQ(after.rows[8].position, 104);
}

TEST(VerifyKernel, PutsTheLastRightRowsInFrontOfAllThatTheMtpLayerTakes) {
  std::vector<StepRow> rows;
  add_rows({5, 90, 11}, 0, 40, rows);
  add_rows({6, 20, 21}, 1, 7, rows);
  const Drafting after = run(filled(rows), logits_of({10, 11, 12, 20, 21, 22}), 6, 2, 0);
  EXPECT_EQ(std::vector(after.sources.begin(), after.sources.begin() + 6),
            (std::vector{0, 5, 1, 2, 3, 4}));
  const std::vector<int> tokens{10, 22, 11, 12, 20, 21};
  const std::vector<int> positions{40, 9, 41, 42, 7, 8};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(after.draft_rows[i].token, tokens[i]) << i;
    EXPECT_EQ(after.draft_rows[i].position, positions[i]) << i;
    EXPECT_EQ(after.draft_rows[i].sequence, i == 0 || i == 2 || i == 3 ? 0 : 1) << i;
  }
}

TEST(VerifyKernel, TakesThePromptsOwnTokensForTheMtpLayer) {
  std::vector<StepRow> rows;
  add_rows({5, 6, 7}, 0, 40, rows);
  rows[0].next = 6;
  rows[1].next = 7;
  const Drafting after = run(filled(rows), logits_of({10, 11, 12}), 3, 0, 0);
  EXPECT_EQ(after.draft_rows[0].token, 6);
  EXPECT_EQ(after.draft_rows[1].token, 7);
  EXPECT_EQ(after.draft_rows[2].token, 12);
  EXPECT_EQ(std::vector(after.sources.begin(), after.sources.begin() + 3), (std::vector{0, 1, 2}));
  // What the model chooses is told all the same.
  EXPECT_EQ(std::vector(after.sampled.begin(), after.sampled.begin() + 3),
            (std::vector{10, 11, 12}));
}

TEST(DrawKernel, DrawsWithTheNumbersThatTheModelWillChooseWith) {
  model::reference::Matrix logits = model::test::random_matrix(2, kVocabulary, 3);
  for (float& logit : logits.values()) logit *= 6;
  const SamplingOptions options{.temperature = 0.9F, .top_k = 40, .seed = 77};
  Drafting before = filled({});
  // The MTP layer's rows are one position behind the token that they take.
  const int positions[] = {40, 8};
  for (int sequence = 0; sequence < 2; ++sequence) {
    before.draft_rows[sequence] = {5 + sequence,        positions[sequence], sequence,
                                   options.temperature, options.top_k,       options.top_p,
                                   options.seed};
  }
  const Drafting after = run(before, logits.values(), 2, 3, 2);
  for (int sequence = 0; sequence < 2; ++sequence) {
    const int expected = model::sample(logits.row(sequence), options, positions[sequence] + 1);
    const StepRow& next = after.rows[sequence * 4 + 2];
    EXPECT_EQ(next.token, expected);
    EXPECT_EQ(next.position, positions[sequence] + 2);
    EXPECT_EQ(next.seed, options.seed);
    EXPECT_EQ(after.draft_rows[sequence].token, expected);
    EXPECT_EQ(after.draft_rows[sequence].position, positions[sequence] + 1);
    EXPECT_EQ(after.sources[sequence], sequence);
  }
}

}  // namespace
}  // namespace slipstream::step::test
