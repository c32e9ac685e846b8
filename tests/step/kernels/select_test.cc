// The selection kernel against the reference, above all on ties, and with several CTAs per token.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/reference/top_k.h"
#include "pdl/stream.h"
#include "step/kernels/select/launch.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/device_values.h"

namespace slipstream::step::test::select_test {
namespace {

using kernels::kPageSize;
using kernels::StepRow;

// Every sequence has its pages in another order.
int page_of(int sequence, int index, int pages) {
  return sequence * pages + (index * 7 + sequence) % pages;
}

// The lists of tokens whose scores are the rows of `scores`; token t has keys[t] keys.
std::vector<std::vector<int>> select(const model::reference::Matrix& scores,
                                     const std::vector<int>& keys, int topk,
                                     std::optional<bool> pdl = std::nullopt) {
  const pdl::Stream stream;
  const int tokens = scores.rows();
  int pages = (scores.columns() + kPageSize - 1) / kPageSize;
  if (pages % 7 == 0) ++pages;
  model::reference::Matrix padded(tokens, pages * kPageSize);
  std::vector<StepRow> rows(tokens);
  std::vector<int> table;
  for (int token = 0; token < tokens; ++token) {
    std::fill(padded.row(token).begin(), padded.row(token).end(), 1e9F);  // of no key
    std::copy_n(scores.row(token).begin(), keys[token], padded.row(token).begin());
    rows[token].position = keys[token] - 1;
    rows[token].sequence = token;
    for (int i = 0; i < pages; ++i) table.push_back(page_of(token, i, pages));
  }
  const DeviceValues<float> device_scores(padded.values());
  const DeviceValues<StepRow> device_rows(rows);
  const DeviceValues<int> device_pages(table);
  const DeviceValues<int> lists(std::vector<int>(static_cast<size_t>(tokens) * topk, -1));
  kernels::launch_select({.scores = {device_scores.data()},
                          .score_stride = padded.columns(),
                          .lists = {lists.data()},
                          .tokens = tokens,
                          .index_topk = topk,
                          .places = {{device_rows.data()}, {device_pages.data()}, pages}},
                         {.stream = stream.get(), .pdl = pdl});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
  const std::vector<int> flat = lists.download();
  std::vector<std::vector<int>> result;
  for (int token = 0; token < tokens; ++token) {
    result.emplace_back(flat.begin() + token * topk, flat.begin() + (token + 1) * topk);
  }
  return result;
}

void expect_reference(const model::reference::Matrix& scores, const std::vector<int>& keys,
                      int topk) {
  const auto lists = select(scores, keys, topk);
  int pages = (scores.columns() + kPageSize - 1) / kPageSize;
  if (pages % 7 == 0) ++pages;
  for (int token = 0; token < scores.rows(); ++token) {
    std::vector<int> expected = model::reference::top_k(scores.row(token).first(keys[token]), topk);
    for (int& position : expected) {
      position = page_of(token, position / kPageSize, pages) * kPageSize + position % kPageSize;
    }
    EXPECT_EQ(lists[token], expected) << "token " << token;
  }
}

void expect_reference_as_is(const model::reference::Matrix& scores, int topk) {
  expect_reference(scores, std::vector<int>(scores.rows(), scores.columns()), topk);
}

// With so many columns before and after, of no score and of no key.
model::reference::Matrix amid(int before, const model::reference::Matrix& scores, int after) {
  model::reference::Matrix wider(scores.rows(), before + scores.columns() + after);
  for (int token = 0; token < scores.rows(); ++token) {
    std::fill_n(wider.row(token).begin(), before, NAN);
    std::copy_n(scores.row(token).begin(), scores.columns(), wider.row(token).begin() + before);
  }
  return wider;
}

// As they are, which one CTA selects; where there is room for more positions, which another kernel's CTA
// does; and after so many keys that a cluster shares them.
void expect_reference(const model::reference::Matrix& scores, int topk) {
  constexpr int kMostOfOneCta = 16384;
  expect_reference_as_is(scores, topk);
  expect_reference(amid(0, scores, kMostOfOneCta),
                   std::vector<int>(scores.rows(), scores.columns()), topk);
  expect_reference_as_is(amid(kMostOfOneCta, scores, 0), topk);
}

TEST(SelectKernel, TakesTheLargestScoresInTheOrderOfPositions) {
  expect_reference(model::test::random_matrix(3, 1100, 1), 96);
}

TEST(SelectKernel, TakesLowerPositionsFirstAmongEqualScores) {
  model::reference::Matrix scores(2, 700);
  for (int i = 0; i < 700; ++i) {
    scores.row(0)[i] = static_cast<float>(i % 5);
    scores.row(1)[i] = i % 50 == 0 ? 1.0F : 0.0F;  // most keys score exactly 0
  }
  expect_reference(scores, 64);
}

TEST(SelectKernel, TakesThePositiveAndTheNegativeZeroAsEqual) {
  model::reference::Matrix scores(1, 130);
  for (int i = 0; i < 130; ++i) scores.row(0)[i] = i % 2 == 0 ? -0.0F : 0.0F;
  expect_reference(scores, 64);
}

TEST(SelectKernel, RanksNaNBelowEveryNumber) {
  model::reference::Matrix scores = model::test::random_matrix(1, 128, 2);
  for (int i = 0; i < 60; ++i) scores.row(0)[2 * i] = NAN;
  expect_reference(scores, 64);
}

TEST(SelectKernel, TakesNaNAndMinusInfinityAsEqualWhereTheyAreNeeded) {
  model::reference::Matrix scores = model::test::random_matrix(1, 300, 3);
  for (int i = 0; i < 270; ++i) scores.row(0)[i] = i % 2 == 0 ? NAN : -INFINITY;
  expect_reference(scores, 64);
}

TEST(SelectKernel, TakesInfinitiesFirst) {
  model::reference::Matrix scores = model::test::random_matrix(2, 300, 4);
  for (int i = 0; i < 100; ++i) scores.row(0)[3 * i] = INFINITY;
  for (float& score : scores.row(1)) score = score > 0 ? INFINITY : NAN;
  expect_reference(scores, 64);
}

TEST(SelectKernel, SeparatesScoresThatDifferInTheLastBit) {
  model::reference::Matrix scores(2, 600);
  for (int i = 0; i < 600; ++i) {
    scores.row(0)[i] = i % 3 == 0 ? 1.0F : std::nextafter(1.0F, 2.0F);
    scores.row(1)[i] = static_cast<float>(i % 17) * 1e-45F;
  }
  expect_reference(scores, 256);
}

TEST(SelectKernel, SplitsWhatLiesFarBelowAnOutlier) {
  model::reference::Matrix scores = model::test::random_matrix(2, 1000, 5);
  scores.row(0)[500] = 1e30F;
  scores.row(1)[10] = std::numeric_limits<float>::max();
  scores.row(1)[11] = std::numeric_limits<float>::lowest();
  expect_reference(scores, 300);
}

TEST(SelectKernel, SplitsScoresThatDifferLittle) {
  model::reference::Matrix scores = model::test::random_matrix(3, 4000, 11);
  for (float& score : scores.row(0)) score = 1 + score * 1e-4F;
  for (float& score : scores.row(1)) score = -1000 - std::fabs(score);
  for (int i = 0; i < 4000; ++i) scores.row(2)[i] = 3 + static_cast<float>(i % 5) * 1e-6F;
  expect_reference(scores, 2048);
}

TEST(SelectKernel, TakesScoresBeyondTheRangeOfHalves) {
  model::reference::Matrix scores = model::test::random_matrix(4, 1000, 12);
  for (float& score : scores.row(0)) score *= 1e6F;
  for (float& score : scores.row(1)) score = -1e20F * std::fabs(score);
  for (float& score : scores.row(2)) score *= 1e-6F;
  for (float& score : scores.row(3)) score *= 1e-30F;
  expect_reference(scores, 300);
}

// Scores at the edges of the 64 bins from 1 to 2, and next to them.
TEST(SelectKernel, TakesScoresAtTheEdgesOfBins) {
  model::reference::Matrix scores(2, 1200);
  for (int i = 0; i < 1200; ++i) {
    const float edge = 1 + static_cast<float>(i % 64) / 64;
    const float score = i % 3 == 0 ? edge : std::nextafter(edge, i % 3 == 1 ? 0.0F : 2.0F);
    scores.row(0)[i] = score;
    scores.row(1)[i] = -score;
  }
  for (const int topk : {100, 301, 556}) expect_reference_as_is(scores, topk);
}

TEST(SelectKernel, DropsOneKeyWhereThereIsOneTooMany) {
  expect_reference_as_is(model::test::random_matrix(1, 65, 3), 64);
}

TEST(SelectKernel, MakesListsOfAnyLength) {
  for (const int topk : {1, 3, 17, 127, 2047})
    expect_reference(model::test::random_matrix(2, 2200, 10), topk);
}

TEST(SelectKernel, WritesNothingWhereEveryKeyIsKept) {
  const model::reference::Matrix scores = model::test::random_matrix(2, 64, 6);
  EXPECT_EQ(select(scores, {63, 64}, 64), std::vector(2, std::vector<int>(64, -1)));
}

TEST(SelectKernel, TakesSequencesOfDifferentLengths) {
  expect_reference(model::test::random_matrix(3, 2300, 7), {2049, 2300, 2101}, 2048);
}

TEST(SelectKernel, SharesTheKeysOfALongSequenceAmongCtas) {
  expect_reference(model::test::random_matrix(2, 20001, 8), {20001, 4097}, 2048);
}

TEST(SelectKernel, SharesTheKeysOfASingleTokenAmongTwiceAsManyCtas) {
  const model::reference::Matrix scores = model::test::random_matrix(1, 131072, 14);
  for (const int keys : {131072, 65537, 65536, 20000, 8192}) {
    expect_reference(scores, {keys}, 2048);
  }
}

TEST(SelectKernel, SharesTiesAmongTwiceAsManyCtas) {
  model::reference::Matrix scores = model::test::random_matrix(1, 100000, 17);
  for (int i = 0; i < scores.columns(); i += 3) scores.row(0)[i] = 2.5F;
  expect_reference_as_is(scores, 2048);
}

TEST(SelectKernel, TakesMoreKeysThanRegistersOfAClusterHold) {
  expect_reference_as_is(model::test::random_matrix(1, 131073, 14), 2048);
  expect_reference(model::test::random_matrix(2, 140003, 15), {140003, 66000}, 2048);
}

TEST(SelectKernel, RanksAsManyCandidatesAsItLists) {
  // 129 to 256 keys of the border's bin, the 64th of an octave, in one CTA and in several.
  for (const int ties : {33, 65, 129, 255, 256, 257}) {
    model::reference::Matrix scores = model::test::random_matrix(1, 4000, 16);
    for (float& score : scores.row(0)) score = score > 0 ? 2 + score : score;
    for (int i = 0; i < ties; ++i) {
      scores.row(0)[i * 13 % 4000] = 1.5F + static_cast<float>(i * 7 % 64) * 1e-5F;
    }
    expect_reference(scores, 1800);
    expect_reference(scores, 1900);
    expect_reference(scores, 2000);
  }
}

// Tiny scores of both signs share a bin with the zeros.
TEST(SelectKernel, SeparatesTinyScoresFromZeros) {
  model::reference::Matrix scores(2, 1000);
  for (int i = 0; i < 1000; ++i) {
    const float tiny = static_cast<float>(i % 7 - 3) * 1e-9F;
    scores.row(0)[i] = i % 3 == 0 ? -0.0F : tiny;
    scores.row(1)[i] = i % 3 == 0 ? tiny * 1e-30F : tiny;
  }
  for (const int topk : {100, 400, 500, 700, 900}) expect_reference(scores, topk);
}

TEST(SelectKernel, TakesAsManyKeysAsOneCtaHas) {
  expect_reference(model::test::random_matrix(3, 16384, 18), {8193, 16383, 16384}, 2048);
  // Where there is room for more: of half as many threads.
  expect_reference(model::test::random_matrix(3, 16385, 13), {8191, 8192, 8193}, 2048);
}

TEST(SelectKernel, SharesTheKeysOfManyTokensAmongFewerCtas) {
  expect_reference(model::test::random_matrix(9, 20001, 17),
                   {20001, 19000, 8192, 8193, 2049, 2050, 19999, 20000, 4097}, 2048);
}

TEST(SelectKernel, FindsTiesAcrossCtas) {
  for (const int keys : {8500, 14000, 20000}) {
    model::reference::Matrix scores(2, keys);
    for (int i = 0; i < keys; ++i) {
      scores.row(0)[i] = i % 2000 < 10 ? 1.0F : 0.5F;
      scores.row(1)[i] = static_cast<float>(i % 6);
    }
    expect_reference_as_is(scores, 2048);
  }
}

TEST(SelectKernel, GivesTheSameListsWithoutPdl) {
  const model::reference::Matrix scores = model::test::random_matrix(1, 5000, 9);
  EXPECT_EQ(select(scores, {5000}, 256, true), select(scores, {5000}, 256, false));
}

}  // namespace
}  // namespace slipstream::step::test::select_test
