// Steps of several sequences with several tokens each, every one with a position and a causal limit
// of its own: the reference takes the same steps.

#include "step/decode_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string>

#include "tests/model/support/reference_runner.h"
#include "tests/model/support/shapes.h"
#include "tests/step/support/device_step.h"
#include "tests/step/support/launch_records.h"

namespace slipstream::step::test {
namespace {

using kernels::kPageSize;
using model::reference::PageTable;
using model::reference::StepToken;

constexpr int kTopK = 8;

// One layer, so that differences in rounding do not choose other keys further on; lists so short
// that the tokens of a step have different ones.
const std::string& checkpoint() {
  return model::test::Shape{"ShortLists", "deepseek-v32-tiny",
                            R"({"num_hidden_layers": 1, "first_k_dense_replace": 0,
                   "index_topk": 8, "index_n_heads": 8})"}
      .directory();
}

// The next tokens of both sequences, `counts` of them, the sequences' tokens taking turns.
std::vector<StepToken> next_tokens(std::array<int, 2> lengths, std::array<int, 2> counts) {
  std::vector<StepToken> tokens;
  for (int i = 0; i < std::max(counts[0], counts[1]); ++i) {
    for (int sequence = 0; sequence < 2; ++sequence) {
      if (i >= counts.at(sequence)) continue;
      const int position = lengths.at(sequence) + i;
      tokens.push_back({(position * 37 + 11 + 101 * sequence) % 512, {sequence, position}});
    }
  }
  return tokens;
}

model::reference::Matrix row_of(const model::reference::Matrix& matrix, int row) {
  model::reference::Matrix result(1, matrix.columns());
  result.values().assign(matrix.row(row).begin(), matrix.row(row).end());
  return result;
}

std::set<int> slots_of(const std::vector<int>& positions, const PageTable& pages) {
  std::set<int> slots;
  for (const int position : positions) {
    slots.insert(pages.pages[position / kPageSize] * kPageSize + position % kPageSize);
  }
  return slots;
}

TEST(LaunchList, NamesEveryBufferThatALaunchIsGivenAndNoOther) {
  DeviceStep step(checkpoint());
  // Rows that the launches below can take.
  (void)step.logits(next_tokens(std::array{0, 0}, std::array{kernels::kMaxRows, 0}));
  for (const int tokens : {1, kernels::kMaxRows}) {
    for (const StepLaunch& record : step.launches()) {
      expect_named_buffers(record, tokens, step.stream());
    }
  }
  check_cuda(cudaStreamSynchronize(step.stream()), "cudaStreamSynchronize");
}

TEST(LaunchList, ReadsOnlyWhatAnEarlierLaunchOrTheHostHasWritten) {
  const DeviceStep step(checkpoint());
  std::set<std::string_view> written = written_before_steps();
  for (const StepLaunch& record : step.launches()) expect_written_reads(record, written);
}

TEST(LaunchList, ReadsNothingBeforeTheWaitThatTheLaunchBeforeWrites) {
  const DeviceStep step(checkpoint());
  expect_settled_reads(step.launches());
}

TEST(LaunchList, WritesBehindAnExchangeNothingThatTheLaunchBeforeTouches) {
  const DeviceStep step(checkpoint());
  EXPECT_GT(expect_writes_beside_the_launch_before(step.launches()), 0);
}

TEST(DeviceDecodeStep, GivesEachOfSeveralTokensOfSeveralSequencesItsOwnPositionAndLimit) {
  const model::reference::Model model =
      model::test::load_reference(checkpoint(), model::test::Mode::kBf16Cache);
  std::vector<model::reference::LayerCache> caches = make_caches(model, kPages);
  const std::vector<PageTable> pages = page_tables();
  DeviceStep device(checkpoint());
  std::array lengths = {0, 0};
  int other_keys = 0;
  int keys = 0;
  // Steps of 1 to 16 tokens: each number has launches of other shapes.
  for (int count = 1; count <= kernels::kMaxRows; ++count) {
    const std::array counts = {count - count / 3, count / 3};
    const std::vector<StepToken> tokens = next_tokens(lengths, counts);
    const model::reference::StepResult expected = decode_step(model, tokens, pages, caches);
    const model::reference::Matrix logits = device.logits(tokens);
    for (int row = 0; row < logits.rows(); ++row) {
      const model::reference::TokenPlace& place = tokens[row].place;
      // Measured: 0.99995 and more, and no other key.
      EXPECT_GT(model::test::mean_cosine(row_of(logits, row), row_of(expected.logits, row)), 0.9998)
          << "sequence " << place.sequence << ", position " << place.position;
      if (place.position < kTopK) continue;
      const auto slots = slots_of(expected.index_lists[0][row], pages[place.sequence]);
      keys += kTopK;
      for (const int slot : device.list(row, kTopK)) other_keys += slots.contains(slot) ? 0 : 1;
    }
    for (int sequence = 0; sequence < 2; ++sequence) {
      lengths.at(sequence) += counts.at(sequence);
    }
  }
  // Equal scores but for rounding may fall on the other side.
  EXPECT_LE(other_keys, keys / 100);
}

// Shares of bytes that are equal: results of another order of sums differ in a last bit now and
// then.
double equal_share(std::span<const std::byte> actual, std::span<const std::byte> expected) {
  EXPECT_EQ(actual.size(), expected.size());
  int equal = 0;
  int written = 0;
  for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    if (actual[i] == std::byte{0} && expected[i] == std::byte{0}) continue;
    ++written;
    equal += actual[i] == expected[i] ? 1 : 0;
  }
  return static_cast<double>(equal) / written;
}

struct CacheCase {
  const char* name;
  const char* model;
  model::test::Mode mode;
  bool index_hadamard = true;
};

class DeviceCaches : public testing::TestWithParam<CacheCase> {};

// Rotated keys as they lie in the caches: what a token attends to is blind to a shift of all
// positions, and to a rotation that queries and keys share.
TEST_P(DeviceCaches, HoldTheBytesOfTheReference) {
  const std::string& directory =
      model::test::Shape{std::string("OneLayerOf") + GetParam().name, GetParam().model,
                         R"({"num_hidden_layers": 1, "first_k_dense_replace": 1})"}
          .directory();
  model::reference::Model model = model::test::load_reference(directory, GetParam().mode);
  model.config.index_hadamard = GetParam().index_hadamard;
  std::vector<model::reference::LayerCache> caches = make_caches(model, kPages);
  model::Checkpoint checkpoint = model::Checkpoint::open(directory);
  checkpoint.config().index_hadamard = GetParam().index_hadamard;
  DeviceStep device(std::move(checkpoint), nullptr,
                    GetParam().mode == model::test::Mode::kFp8Cache);
  // Across the border of a page of sequence 0.
  std::array lengths = {0, 0};
  for (const std::array<int, 2> counts :
       {std::array{16, 0}, {16, 0}, {16, 0}, {14, 2}, {5, 11}, {1, 1}}) {
    const std::vector<StepToken> tokens = next_tokens(lengths, counts);
    (void)decode_step(model, tokens, page_tables(), caches);
    (void)device.logits(tokens);
    for (int sequence = 0; sequence < 2; ++sequence) {
      lengths.at(sequence) += counts.at(sequence);
    }
  }
  const double rows = equal_share(device.latent_cache(), caches.front().latent.bytes());
  const double keys = equal_share(device.index_keys(), caches.front().index_keys.bytes());
  // Measured: 0.996 and more. A shift by one position leaves 0.95.
  EXPECT_GT(rows, 0.99);
  EXPECT_GT(keys, 0.99);
}

INSTANTIATE_TEST_SUITE_P(
    Formats, DeviceCaches,
    testing::Values(CacheCase{"DeepseekFp8", "deepseek-v32-tiny", model::test::Mode::kFp8Cache},
                    CacheCase{"GlmBf16", "glm-5-tiny", model::test::Mode::kBf16Cache},
                    CacheCase{"GlmUntransformed", "glm-5-tiny", model::test::Mode::kBf16Cache,
                              /*index_hadamard=*/false}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slipstream::step::test
