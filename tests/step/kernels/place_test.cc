// The launch that puts the next step's rows in place.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "pdl/stream.h"
#include "step/kernels/place/launch.h"
#include "tests/step/kernels/device_values.h"

namespace slipstream::step::test::place_test {
namespace {

using kernels::kGiven;
using kernels::kMaxRows;
using kernels::kSampledToken;
using kernels::PlaceParams;
using kernels::RowExtras;
using kernels::StepRow;

constexpr int kVocabulary = 10;   // of this rank
constexpr int kFirstToken = 100;  // its first id
constexpr int kSequences = 4;

// Rows that a step has left.
std::vector<StepRow> rows_left() {
  std::vector<StepRow> rows(kMaxRows);
  rows[0] = {.token = 101, .position = 7, .sequence = 2};
  rows[1] = {.token = 102, .position = 9, .sequence = 0};
  return rows;
}

// Tables as a step has left them.
struct Tables {
  DeviceValues<StepRow> rows = DeviceValues<StepRow>(rows_left());
  DeviceValues<RowExtras> extras = DeviceValues<RowExtras>(kMaxRows);
  DeviceValues<int> last_tokens = DeviceValues<int>({50, 51, 52, 53});
  DeviceValues<int> pages = DeviceValues<int>(std::vector<int>(8, -1));
  DeviceValues<uint32_t> words = DeviceValues<uint32_t>(size_t{2} * kVocabulary);
  DeviceValues<float> biases = DeviceValues<float>(size_t{2} * kVocabulary);

  [[nodiscard]] PlaceParams params() const {
    return {.rows = {rows.data()},
            .extras = {extras.data()},
            .last_tokens = {last_tokens.data()},
            .pages = {pages.data()},
            .histories = {.words = {words.data()},
                          .biases = {biases.data()},
                          .vocabulary = kVocabulary,
                          .first_token = kFirstToken}};
  }
};

void place(const PlaceParams& params) {
  const pdl::Stream stream;
  kernels::launch_place(params, {.stream = stream.get()});
  check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
}

TEST(PlaceKernel, GivesSampledTokensToTheirSequencesWhereverTheyGo) {
  const Tables tables;
  PlaceParams params = tables.params();
  params.saved = 0b11;
  params.tokens = 2;
  params.placed.rows[0] = {.token = kSampledToken, .position = 10, .sequence = 0};
  params.placed.rows[1] = {.token = kSampledToken, .position = 3, .sequence = 1};
  params.placed.extras[1] = {.presence = 2};
  place(params);
  const std::vector<StepRow> rows = tables.rows.download();
  EXPECT_EQ(rows[0].token, 102);
  EXPECT_EQ(rows[0].position, 10);
  EXPECT_EQ(rows[1].token, 51);
  EXPECT_EQ(tables.extras.download()[1].presence, 2);
  // Who is left out finds its token later.
  EXPECT_EQ(tables.last_tokens.download(), (std::vector{102, 51, 101, 53}));
}

TEST(PlaceKernel, SavesNoTokenOfARowThatWasNotSampled) {
  const Tables tables;
  PlaceParams params = tables.params();
  params.saved = 0b10;
  params.tokens = 1;
  params.placed.rows[0] = {.token = 109, .sequence = 2};
  place(params);
  EXPECT_EQ(tables.rows.download()[0].token, 109);
  EXPECT_EQ(tables.last_tokens.download(), (std::vector{102, 51, 52, 53}));
}

TEST(PlaceKernel, CountsTokensThatWereSampledAndMarksThoseThatWereGiven) {
  const Tables tables;
  PlaceParams params = tables.params();
  params.saved = 0b01;
  params.counted = 0b001;
  params.tokens = 4;
  params.placed.rows[0] = {.token = kSampledToken, .sequence = 2};
  params.placed.rows[1] = {.token = 104, .sequence = 2};
  params.placed.rows[2] = {.token = 104, .sequence = 1};
  params.placed.rows[3] = {.token = 99, .sequence = 2};  // another rank's
  params.placed.extras[0].history = 1;
  params.placed.extras[1].history = 1;
  params.placed.extras[3].history = 1;
  place(params);
  std::vector<uint32_t> expected(size_t{2} * kVocabulary);
  expected[kVocabulary + 1] = 1;
  expected[kVocabulary + 4] = kGiven;
  EXPECT_EQ(tables.words.download(), expected);
}

TEST(PlaceKernel, EditsTablesAndLeavesRowsWhereThereAreNoNewOnes) {
  const Tables tables;
  PlaceParams params = tables.params();
  params.edits.pages = 2;
  params.edits.histories = 3;
  params.edits.biases = 1;
  const std::vector<int> index = {3, 7, 0, 0, 5, 12};
  const std::vector<int> value = {30, 31, 2, static_cast<int>(kGiven), 9, std::bit_cast<int>(2.5F)};
  std::copy(index.begin(), index.end(), params.edits.index);
  std::copy(value.begin(), value.end(), params.edits.value);
  place(params);
  EXPECT_EQ(tables.pages.download(), (std::vector{-1, -1, -1, 30, -1, -1, -1, 31}));
  EXPECT_EQ(tables.words.download()[0], kGiven + 2);
  EXPECT_EQ(tables.words.download()[5], 9U);
  EXPECT_EQ(tables.biases.download()[12], 2.5F);
  EXPECT_EQ(tables.rows.download()[0].token, 101);
}

TEST(PlaceKernel, TakesAsManyEditsAsItHasRoomFor) {
  const DeviceValues<int> pages(kernels::kMaxTableEdits);
  const Tables tables;
  PlaceParams params = tables.params();
  params.pages = {pages.data()};
  params.edits.pages = kernels::kMaxTableEdits;
  std::vector<int> expected;
  for (int i = 0; i < kernels::kMaxTableEdits; ++i) {
    params.edits.index[i] = i;
    params.edits.value[i] = 1000 + i;
    expected.push_back(1000 + i);
  }
  place(params);
  EXPECT_EQ(pages.download(), expected);
}

}  // namespace
}  // namespace slipstream::step::test::place_test
