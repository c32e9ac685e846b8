// Sparse attention with the combination of its splits and the projection of values, against the
// reference.

#include <gtest/gtest.h>

#include <numbers>
#include <numeric>
#include <optional>

#include "model/reference/rope.h"
#include "model/reference/sparse_mla.h"
#include "pdl/stream.h"
#include "step/kernels/attend/launch.h"
#include "step/kernels/attend/plan.h"
#include "step/kernels/linear/pack.h"
#include "step/kernels/values/launch.h"
#include "tests/step/kernels/packed_weights.h"
#include "tests/step/kernels/sparse_inputs.h"

namespace slipstream::step::test {
namespace {

using kernels::kLatent;
using kernels::kRope;
using model::reference::LatentFormat;

struct AttentionCase {
  std::vector<int> contexts;
  int heads = 2;
  int topk = 2048;
  LatentFormat format = LatentFormat::kBf16;
  bool has_lists = true;
  int value_width = 128;
  // The launch right before made the absorbed queries, not the lists.
  bool has_old_lists = false;
};

class Attention {
 public:
  explicit Attention(AttentionCase shape)
      : shape_(std::move(shape)),
        tokens_(shape_.contexts),
        cache_({.latent = shape_.format}, tokens_.pages()),
        absorbed_(random_bf16(tokens_.tokens() * shape_.heads, kLatent, 1, 0.3F)),
        queries_(random_bf16(tokens_.tokens() * shape_.heads, kHeadDim, 2)),
        w_uv_(random_bf16(shape_.heads * shape_.value_width, kLatent, 3)) {
    const model::reference::Matrix rows =
        random_bf16(tokens_.pages() * kernels::kPageSize, kLatent + kRope, 4);
    for (int slot = 0; slot < rows.rows(); ++slot) {
      cache_.write(slot, rows.row(slot).first(kLatent), rows.row(slot).last(kRope));
    }
    for (int token = 0; token < tokens_.tokens(); ++token) lists_.push_back(make_list(token));
  }

  // Bits of [tokens, heads * value_width].
  [[nodiscard]] std::vector<uint16_t> run(std::optional<bool> pdl = std::nullopt) const {
    const pdl::Stream stream;
    const int heads = shape_.heads;
    const int most_keys = shape_.has_lists ? std::min(shape_.topk, tokens_.most_positions())
                                           : tokens_.most_positions();
    const int splits = kernels::attention_splits(tokens_.tokens(), heads, most_keys);
    const size_t parts = static_cast<size_t>(tokens_.tokens()) * heads * splits;
    const DeviceBf16 absorbed(absorbed_);
    const DeviceBf16 queries(queries_);
    const DeviceValues<float> rope(test_rope_table(tokens_.most_positions()));
    const DeviceValues<int> lists(slots_of_lists());
    const auto bytes = cache_.bytes();
    const DeviceValues<std::byte> cache(std::vector<std::byte>(bytes.begin(), bytes.end()));
    // Whoever reads what was not written finds it.
    const DeviceValues<float> partials(std::vector<float>(parts * kLatent, NAN));
    const DeviceValues<float2> weights(parts);
    const UploadedMatrix w_uv(pack_bf16(w_uv_.rows(), kLatent, [&](int row, int column) {
      return model::float_to_bf16(w_uv_.row(row)[column]);
    }));
    const DeviceBf16 output(static_cast<size_t>(tokens_.tokens()) * w_uv_.rows());
    const pdl::LaunchOptions options{.stream = stream.get(), .pdl = pdl};
    const bool old_lists = shape_.has_old_lists;
    const int* const list = shape_.has_lists ? lists.data() : nullptr;
    kernels::launch_attend({.absorbed = {old_lists ? absorbed.data() : nullptr},
                            .settled_absorbed = {old_lists ? nullptr : absorbed.data()},
                            .queries = {queries.data()},
                            .rope = {rope.data()},
                            .lists = {old_lists ? nullptr : list},
                            .settled_lists = {old_lists ? list : nullptr},
                            .cache = {cache.data()},
                            .partials = {partials.data()},
                            .weights = {weights.data()},
                            .heads = heads,
                            .head_dim = kHeadDim,
                            .index_topk = shape_.topk,
                            .scale = static_cast<float>(kScale * std::numbers::log2e),
                            .splits = splits,
                            .places = tokens_.places(),
                            .tokens = tokens_.tokens(),
                            .most_keys = most_keys,
                            .fp8_rows = shape_.format == LatentFormat::kFp8},
                           options);
    kernels::launch_values({.w_uv = w_uv.matrix(),
                            .partials = {partials.data()},
                            .weights = {weights.data()},
                            .output = {output.data()},
                            .tokens = tokens_.tokens(),
                            .heads = heads,
                            .splits = splits},
                           options);
    check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
    return output.bits();
  }

  void expect_reference() const {
    const std::vector<uint16_t> bits = run();
    const size_t width = shape_.value_width;
    for (int row = 0; row < tokens_.tokens() * shape_.heads; ++row) {
      std::vector<float> actual;
      for (size_t i = 0; i < width; ++i)
        actual.push_back(model::bf16_to_float(bits[row * width + i]));
      // Probabilities and latents are rounded to eight bits. Of 2049 keys, one is a fiftieth.
      EXPECT_LT(relative_distance(actual, expected(row)), 8e-3)
          << "token " << row / shape_.heads << ", head " << row % shape_.heads;
    }
  }

 private:
  static constexpr int kHeadDim = 192;
  static constexpr double kScale = 0.05;

  // Positions that the token attends to: every other one, from the last one down, and then the
  // first ones, so that no two lists of a length are alike.
  [[nodiscard]] std::vector<int> make_list(int token) const {
    const int position = tokens_.position(token);
    if (!shape_.has_lists || position < shape_.topk)
      return model::reference::all_positions(position);
    std::vector<int> list;
    for (int i = position; i >= 0; i -= 2) list.push_back(i);
    for (int i = position - 1; i >= 0; i -= 2) list.push_back(i);
    list.resize(shape_.topk);
    std::sort(list.begin(), list.end());
    return list;
  }
  [[nodiscard]] std::vector<int> slots_of_lists() const {
    std::vector<int> slots(static_cast<size_t>(tokens_.tokens()) * shape_.topk, -1);
    for (int token = 0; token < tokens_.tokens(); ++token) {
      if (tokens_.position(token) < shape_.topk) continue;  // nobody writes such a list
      const model::reference::PageTable table = tokens_.page_table(token);
      for (int i = 0; i < shape_.topk; ++i) {
        slots[static_cast<size_t>(token) * shape_.topk + i] = table.slot(lists_[token][i]);
      }
    }
    return slots;
  }
  [[nodiscard]] std::vector<float> expected(int row) const {
    const int token = row / shape_.heads;
    std::vector<float> query(absorbed_.row(row).begin(), absorbed_.row(row).end());
    std::vector<float> rope(queries_.row(row).end() - kRope, queries_.row(row).end());
    model::reference::rotate(rope, test_frequencies(), tokens_.position(token),
                             model::RopeLayout::kInterleaved);
    for (const float value : rope) query.push_back(model::round_to_bf16(value));
    std::vector<float> latent(kLatent);
    model::reference::attend({}, query, lists_[token], cache_, tokens_.page_table(token), kScale,
                             latent);
    std::vector<float> result(shape_.value_width);
    const size_t size = result.size() * kLatent;
    model::reference::project_value(
        {}, latent, std::span(w_uv_.values()).subspan(row % shape_.heads * size, size), result);
    return result;
  }

  AttentionCase shape_;
  PagedTokens tokens_;
  model::reference::LatentCache cache_;
  model::reference::Matrix absorbed_;
  model::reference::Matrix queries_;
  model::reference::Matrix w_uv_;
  std::vector<std::vector<int>> lists_;
};

TEST(AttendKernel, TakesEveryKeyOfAShortSequence) {
  for (const int context : {1, 15, 16, 17, 63, 64, 65}) {
    Attention({.contexts = {context}, .topk = 128}).expect_reference();
  }
}

TEST(AttendKernel, TakesTheKeysOfTheListOfALongSequence) {
  Attention({.contexts = {300}, .topk = 64}).expect_reference();
}

TEST(AttendKernel, AgreesWithTheReferenceAroundTwoThousandKeys) {
  for (const int context : {2047, 2048, 2049}) {
    Attention({.contexts = {context}, .heads = 1}).expect_reference();
  }
}

TEST(AttendKernel, TakesAnyNumberOfHeads) {
  for (const int heads : {1, 3, 15, 16, 17}) {
    Attention({.contexts = {100, 40}, .heads = heads, .topk = 64}).expect_reference();
  }
}

TEST(AttendKernel, TakesListsOfAnyLength) {
  for (const int topk : {1, 3, 17, 100}) {
    Attention({.contexts = {140, 2}, .heads = 1, .topk = topk}).expect_reference();
  }
}

TEST(AttendKernel, TakesTheHeadsOfAWholeModel) {
  Attention({.contexts = {20}, .heads = 128, .topk = 64}).expect_reference();
}

TEST(AttendKernel, TakesSixteenSequencesOfDifferentLengths) {
  Attention({.contexts = {1, 63, 64, 65, 200, 7, 129, 128, 127, 16, 300, 33, 32, 31, 500, 2},
             .topk = 128})
      .expect_reference();
}

TEST(AttendKernel, TakesManyChunksOfKeysPerCta) {
  Attention({.contexts = std::vector<int>(9, 700), .heads = 1, .topk = 640}).expect_reference();
}

TEST(AttendKernel, DequantizesRowsOf656Bytes) {
  Attention({.contexts = {65, 300}, .topk = 128, .format = LatentFormat::kFp8}).expect_reference();
  Attention(
      {.contexts = std::vector<int>(5, 900), .heads = 1, .topk = 800, .format = LatentFormat::kFp8})
      .expect_reference();
}

TEST(AttendKernel, TakesEveryKeyWithoutLists) {
  Attention({.contexts = {1, 3000, 77}, .heads = 1, .topk = 64, .has_lists = false})
      .expect_reference();
}

TEST(AttendKernel, TakesTwoRunsOfKeysAtOnceOfThreeTokens) {
  for (const LatentFormat format : {LatentFormat::kBf16, LatentFormat::kFp8}) {
    for (const int heads : {2, 8, 13}) {
      Attention({.contexts = {1300, 1101, 40}, .heads = heads, .topk = 1100, .format = format})
          .expect_reference();
    }
  }
}

TEST(AttendKernel, GivesTheSameBitsWithListsOfAnOlderLaunch) {
  std::vector<AttentionCase> cases = {
      {.contexts = {600}, .topk = 512},
      {.contexts = {1300, 1101, 40}, .topk = 1100},
      {.contexts = std::vector<int>(5, 900), .heads = 1, .topk = 800},
      {.contexts = {65, 300}, .topk = 128, .format = LatentFormat::kFp8},
      {.contexts = std::vector<int>(5, 900), .heads = 1, .topk = 800, .format = LatentFormat::kFp8},
      {.contexts = {1, 3000, 77}, .heads = 1, .topk = 64, .has_lists = false}};
  for (AttentionCase& one : cases) {
    const std::vector<uint16_t> bits = Attention(one).run();
    one.has_old_lists = true;
    EXPECT_EQ(Attention(one).run(), bits) << one.contexts.size() << " tokens";
  }
}

TEST(AttendKernel, ProjectsValuesOf256) {
  Attention({.contexts = {70}, .heads = 3, .value_width = 256}).expect_reference();
}

TEST(AttendKernel, CombinesPartsOfAnyNumberOfTokens) {
  for (const int tokens : {3, 4, 6, 8}) {
    Attention({.contexts = std::vector<int>(tokens, 530), .heads = 1, .topk = 512})
        .expect_reference();
  }
}

TEST(AttendKernel, SharesHeadsOutWhereKeysComeInOneGo) {
  Attention({.contexts = {600}, .heads = 13, .topk = 512}).expect_reference();
  Attention({.contexts = {600}, .heads = 13, .topk = 512, .format = LatentFormat::kFp8})
      .expect_reference();
}

// A lane of the combination takes 8 parts, or 4 of many tokens, and 4 to 16 pairs of lanes share a token's.
TEST(AttendPlan, MakesNoMorePartsThanAreCombined) {
  for (int tokens = 1; tokens <= kernels::kMaxRows; ++tokens) {
    const int most = tokens == 1 ? 128 : tokens == 2 ? 64 : tokens <= 8 ? 32 : 16;
    for (const int heads : {1, 8, 16, 64, 128}) {
      for (const int keys : {1, 100, 2048, 100000}) {
        const int splits = kernels::attention_splits(tokens, heads, keys);
        EXPECT_TRUE(splits >= 1 && splits <= most)
            << splits << " of " << tokens << " tokens, " << heads << " heads, " << keys << " keys";
      }
    }
  }
}

// 64 runs of 32 keys: two rounds of three rows, three of five and six, four of seven.
TEST(AttendPlan, MakesAsManyPartsAsHaveAllCtasTakeAsManyRounds) {
  EXPECT_EQ(kernels::attention_splits(3, 16, 2048), 32);
  EXPECT_EQ(kernels::attention_splits(5, 16, 2048), 22);
  EXPECT_EQ(kernels::attention_splits(6, 16, 2048), 22);
  EXPECT_EQ(kernels::attention_splits(7, 16, 2048), 16);
}

TEST(AttendPlan, TakesFewHeadsPerCtaWhereKeysComeInOneGo) {
  EXPECT_EQ(kernels::attention_heads(1, 16, 2048), kernels::kFewHeads);
  EXPECT_EQ(kernels::attention_heads(1, 16, 2112), kernels::kFewHeads);
  EXPECT_EQ(kernels::attention_heads(1, 16, 2113), kernels::kManyHeads);
  EXPECT_EQ(kernels::attention_heads(2, 8, 2048), kernels::kFewHeads);
  EXPECT_EQ(kernels::attention_heads(4, 16, 2048), kernels::kManyHeads);
}

TEST(AttendKernel, GivesTheSameBitsWithoutPdl) {
  const Attention attention({.contexts = {300, 65}, .heads = 5, .topk = 128});
  EXPECT_EQ(attention.run(true), attention.run(false));
}

}  // namespace
}  // namespace slipstream::step::test
