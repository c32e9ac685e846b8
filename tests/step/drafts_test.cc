// Steps that draft: what they generate is what the model generates alone, bit by bit, whatever the
// drafts are.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "model/reference/mtp.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"
#include "tests/step/support/drafting.h"
#include "tests/step/support/launch_records.h"

namespace slipstream::step::test {
namespace {

using kernels::kPageSize;
using model::reference::Matrix;
using model::reference::StepToken;
using model::reference::TokenPlace;

// Two layers, so that a rejected row could also do harm by way of the first one's cache; lists
// shorter than the contexts.
const std::string& short_lists() {
  return model::test::Shape{"DraftedShortLists", "deepseek-v32-tiny",
                            R"({"num_hidden_layers": 2, "first_k_dense_replace": 1,
                                "num_attention_heads": 2, "num_key_value_heads": 2,
                                "index_topk": 16, "index_n_heads": 8})"}
      .directory();
}

// The main layers share lists, and later drafts take those of a round's first.
const std::string& shared_lists() {
  return model::test::Shape{"DraftedSharedLists", "glm-5.2-tiny-bf16",
                            R"({"num_hidden_layers": 2, "indexer_types": ["full", "shared"],
                                "num_attention_heads": 2, "num_key_value_heads": 2,
                                "first_k_dense_replace": 1, "index_topk": 16,
                                "index_share_for_mtp_iteration": true})"}
      .directory();
}

// The same two with lists longer than the contexts: no rounding decides which keys are chosen.
const std::string& all_keys() {
  return model::test::Shape{"DraftedAllKeys", "deepseek-v32-tiny",
                            R"({"num_hidden_layers": 2, "first_k_dense_replace": 1,
                                "index_n_heads": 8})"}
      .directory();
}
const std::string& all_keys_shared() {
  return model::test::Shape{"DraftedAllKeysShared", "glm-5.2-tiny-bf16",
                            R"({"num_hidden_layers": 2, "indexer_types": ["full", "shared"],
                                "first_k_dense_replace": 1,
                                "index_share_for_mtp_iteration": true})"}
      .directory();
}

std::vector<int> some_ids(int count, int seed) {
  std::vector<int> ids;
  for (int i = 0; i < count; ++i) ids.push_back((i * 37 + seed * 101 + 11) % 512);
  return ids;
}

constexpr int kPrompt = 21;
constexpr size_t kTokens = 10;

struct DraftCase {
  const char* name;
  const std::string& (*checkpoint)();
  int drafts;
  SamplingOptions sampling;
  bool fp8_rows = false;
};

class Drafts : public testing::TestWithParam<DraftCase> {
 protected:
  struct Outcome {
    std::vector<int> tokens;  // the first kTokens
    std::vector<std::byte> caches;
    std::vector<int> won;
  };

  static int main_layers() {
    return model::Checkpoint::open(c().checkpoint()).config().num_hidden_layers;
  }
  static const DraftCase& c() { return GetParam(); }

  // Positions that are written for certain once there are kTokens tokens.
  static constexpr int kWritten = kPrompt + static_cast<int>(kTokens) - 1;

  static Outcome outcome(const DeviceStep& step, Generated result, int layers) {
    result.tokens.resize(kTokens);
    return {result.tokens, cache_rows(step, layers, 0, kWritten), result.won};
  }

  static Outcome alone() {
    const DeviceStep step = drafting_step(c().checkpoint(), c().fp8_rows);
    Generated sequence = process_prompt(step, some_ids(kPrompt, 0), 0, c().sampling);
    generate_alone(step, sequence, c().drafts + 1, kTokens);
    return outcome(step, sequence, main_layers());
  }

  static Outcome drafted(const ChangeDrafts& change, int layers) {
    const DeviceStep step = drafting_step(c().checkpoint(), c().fp8_rows);
    Generated sequence = process_prompt(step, some_ids(kPrompt, 0), 0, c().sampling);
    generate(step, {&sequence}, c().drafts, kTokens, change);
    return outcome(step, sequence, layers);
  }

  // Puts the `known` tokens of the sequence in place of drafts, where `is_right` says so, and others
  // elsewhere.
  static ChangeDrafts forced(std::vector<int> known, std::function<bool()> is_right) {
    return [known = std::move(known), is_right = std::move(is_right)](
               const Generated& sequence, std::span<kernels::StepRow> rows) {
      for (size_t i = 1; i < rows.size(); ++i) {
        const size_t index = sequence.tokens.size() + i - 1;
        const int right = index < known.size() ? known[index] : 0;
        rows[i].token = is_right() ? right : (right + 1) % 512;
      }
    };
  }
};

TEST_P(Drafts, GiveTheTokensAndCachesOfTheModelAlone) {
  const Outcome expected = alone();
  const Outcome drafted = Drafts::drafted({}, main_layers());
  EXPECT_EQ(drafted.tokens, expected.tokens);
  EXPECT_EQ(drafted.caches, expected.caches);
}

// Rejected ones leave nothing: neither in the main layers' caches nor in the MTP layer's.
TEST_P(Drafts, ChangeNothingWhetherTheyAreRightOrWrong) {
  const int layers = main_layers() + 1;
  const Outcome wrong = drafted(forced(alone().tokens, [] { return false; }), layers);
  const Outcome right = drafted(forced(wrong.tokens, [] { return true; }), layers);
  std::mt19937 generator(7);
  const Outcome mixed = drafted(forced(wrong.tokens, [&] { return generator() % 3 != 0; }), layers);
  EXPECT_EQ(wrong.tokens, alone().tokens);
  EXPECT_EQ(right.tokens, wrong.tokens);
  EXPECT_EQ(mixed.tokens, wrong.tokens);
  EXPECT_EQ(right.caches, wrong.caches);
  EXPECT_EQ(mixed.caches, wrong.caches);
  // And they count as what they are.
  EXPECT_EQ(*std::max_element(wrong.won.begin(), wrong.won.end()), 1);
  EXPECT_EQ(right.won.front(), GetParam().drafts + 1);
  EXPECT_LE(right.won.size(), mixed.won.size());  // a wrong one in the last step costs nothing
  EXPECT_LT(mixed.won.size(), wrong.won.size());
}

INSTANTIATE_TEST_SUITE_P(
    Step, Drafts,
    testing::Values(
        DraftCase{"OneGreedy", short_lists, 1, {}},
        DraftCase{"TwoDrawn", shared_lists, 2, {.temperature = 1, .seed = 5}},
        DraftCase{"ThreeOfTheTopK",
                  short_lists,
                  3,
                  {.temperature = 0.7F, .top_k = 20, .seed = 6},
                  /*fp8_rows=*/true},
        DraftCase{"FiveOfTheTopP", shared_lists, 5, {.temperature = 1, .top_p = 0.9F, .seed = 7}}),
    [](const auto& info) { return info.param.name; });

TEST(DraftsOfSeveralSequences, ChangeNothingWhetherTheyAreRightOrWrong) {
  constexpr int kDrafts = 2;
  const auto run = [&](const ChangeDrafts& change) {
    const DeviceStep step = drafting_step(short_lists());
    Generated a = process_prompt(step, some_ids(kPrompt, 0), 0, {});
    Generated b = process_prompt(step, some_ids(kPrompt + 9, 1), 1, {.temperature = 1, .seed = 3});
    generate(step, {&a, &b}, kDrafts, kTokens, change);
    a.tokens.resize(kTokens);
    b.tokens.resize(kTokens);
    return std::vector{a.tokens, b.tokens};
  };
  const auto wrong = run([](const Generated&, std::span<kernels::StepRow> rows) {
    for (kernels::StepRow& row : rows.subspan(1)) row.token = 509;
  });
  const auto right_for_one = [&](int sequence) {
    return [&wrong, sequence](const Generated& generated, std::span<kernels::StepRow> rows) {
      for (size_t i = 1; i < rows.size(); ++i) {
        const size_t index = generated.tokens.size() + i - 1;
        const bool is_right = rows[0].sequence == sequence && index < kTokens;
        rows[i].token = is_right ? wrong[sequence][index] : 509;
      }
    };
  };
  EXPECT_EQ(run({}), wrong);
  EXPECT_EQ(run(right_for_one(0)), wrong);
  EXPECT_EQ(run(right_for_one(1)), wrong);
}

// Each draft of a round against the reference, which gets the tokens that the device chose: the
// first from the model's normed states, the others from the layer's own.
TEST(DraftsOfARound, FollowTheReference) {
  for (const auto& checkpoint : {&all_keys, &all_keys_shared}) {
    const model::reference::Model model =
        model::test::load_reference((*checkpoint)(), model::test::Mode::kBf16Cache, true);
    std::vector<model::reference::LayerCache> caches = make_caches(model, kPages);
    const DeviceStep step = drafting_step((*checkpoint)());
    const std::vector<int> ids = some_ids(kPrompt, 0);
    Generated sequence = process_prompt(step, ids, 0, {});

    const auto verify = [&](const std::vector<StepToken>& tokens, std::span<const int> next,
                            model::reference::IndexLists& lists) {
      std::vector<TokenPlace> places;
      for (const StepToken& token : tokens) places.push_back(token.place);
      const Matrix hidden = decode_step(model, tokens, page_tables(), caches).final_hidden;
      return draft({&model, 1}, next, places, hidden, page_tables(), caches.back(), lists);
    };
    std::vector<StepToken> tokens;
    for (int i = 0; i < kPrompt; ++i) tokens.push_back({ids[i], {0, i}});
    std::vector<int> next(ids.begin() + 1, ids.end());
    next.push_back(sequence.tokens.back());
    model::reference::IndexLists unused;
    (void)verify(tokens, next, unused);

    int close = 0;
    for (const int drafts : {1, 2, 4, 3}) {
      const kernels::StepRow first = sequence.next;
      generate(step, {&sequence}, drafts, sequence.tokens.size() + 1,
               [](const Generated&, std::span<kernels::StepRow> rows) {
                 for (kernels::StepRow& row : rows.subspan(1)) row.token = 509;
               });
      ASSERT_EQ(sequence.won.back(), 1);
      model::reference::IndexLists lists;
      const int token = sequence.tokens.back();
      model::reference::DraftResult result =
          verify({{first.token, {0, first.position}}}, {&token, 1}, lists);
      const std::vector<kernels::StepRow> rows = step.rows(drafts + 1);
      for (int i = 1; i < drafts; ++i) {
        const TokenPlace place{0, first.position + i};
        result = draft({&model, 1}, {&rows[i].token, 1}, {&place, 1}, result.normed, page_tables(),
                       caches.back(), lists);
      }
      const double cosine = model::test::mean_cosine(step.draft_logits(1), result.logits);
      EXPECT_GT(cosine, 0.98) << (*checkpoint)() << ", draft " << drafts;
      close += cosine > 0.998 ? 1 : 0;
    }
    // On an H200 one round was farther off (0.992); why is not known.
    EXPECT_GE(close, 3) << (*checkpoint)();
  }
}

// Not even the positions that have come since are in it.
TEST(DraftsOfARound, KeepTheListOfTheFirstWhereTheModelSaysSo) {
  constexpr int kTopK = 16;
  const DeviceStep step = drafting_step(shared_lists());
  Generated sequence = process_prompt(step, some_ids(kPrompt, 0), 0, {});
  const auto list_after = [&](int drafts) {
    Generated copy = sequence;
    generate(step, {&copy}, drafts, copy.tokens.size() + 1);
    EXPECT_EQ(copy.won.back(), 1);
    const std::vector<int> list = step.list(0, kTopK);
    return std::set<int>(list.begin(), list.end());
  };
  const std::set<int> first = list_after(1);
  const std::set<int> third = list_after(3);
  EXPECT_EQ(first.size(), size_t{kTopK});
  // Steps of other numbers of rows round otherwise: a key at the border may be another.
  std::vector<int> common;
  std::ranges::set_intersection(first, third, std::back_inserter(common));
  EXPECT_GE(common.size(), size_t{kTopK - 1});
}

class DraftGolden : public testing::TestWithParam<std::string> {};

TEST_P(DraftGolden, IsReached) {
  const model::test::Golden golden(GetParam());
  const DeviceStep step = drafting_step(model::test::tiny_checkpoint(GetParam()));
  for (const double cosine : draft_cosines(step, golden)) {
    EXPECT_GE(cosine, golden.limits().draft_cosine);
  }
}

std::vector<std::string> all_golden_names() {
  std::vector<std::string> names = model::test::golden_names();
  for (const std::string& name : model::tiny::rank_golden_names()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, DraftGolden, testing::ValuesIn(all_golden_names()),
                         model::test::checkpoint_test_name);

TEST(DraftingStep, NamesEveryBufferThatALaunchIsGivenAndNoOther) {
  const DeviceStep step = drafting_step(shared_lists());
  (void)process_prompt(step, some_ids(4, 0), 0, {});
  for (const int drafts : {0, 3}) {
    for (const StepLaunch& record : step.step().draft_launches(drafts)) {
      expect_named_buffers(record, record.per_sequence ? 1 : drafts + 1, step.stream());
    }
  }
  step.synchronize();
}

TEST(DraftingStep, ReadsOnlyWhatAnEarlierLaunchOrTheHostHasWritten) {
  const DeviceStep step = drafting_step(shared_lists());
  std::set<std::string_view> written = written_before_steps();
  for (const StepLaunch& record : step.launches().first(step.launches().size() - 1)) {
    expect_written_reads(record, written);
  }
  for (const StepLaunch& record : step.step().draft_launches(3)) {
    expect_written_reads(record, written);
  }
}

TEST(DraftingStep, ReadsNothingBeforeTheWaitThatTheLaunchBeforeWrites) {
  const DeviceStep step = drafting_step(shared_lists());
  std::vector<StepLaunch> records(step.launches().begin(), step.launches().end() - 1);
  for (const StepLaunch& record : step.step().draft_launches(3)) records.push_back(record);
  expect_settled_reads(records);
}

TEST(DraftingStep, WritesBehindAnExchangeNothingThatTheLaunchBeforeTouches) {
  const DeviceStep step = drafting_step(shared_lists());
  EXPECT_GT(expect_writes_beside_the_launch_before(step.step().draft_launches(3)), 0);
}

TEST(DraftingStep, RefusesMoreRowsThanAStepHas) {
  const DeviceStep step = drafting_step(short_lists());
  EXPECT_EQ(model::test::message_of([&] { step.enqueue(StepShape{.sequences = 3, .drafts = 5}); }),
            "a step must have at most 16 rows and 5 drafts of a sequence, has 3 sequences with 5 "
            "drafts each");
}

TEST(DraftingStep, RefusesToDraftWithoutAnMtpLayer) {
  const DeviceStep step(short_lists());
  EXPECT_EQ(model::test::message_of([&] { step.enqueue(StepShape{.sequences = 1, .drafts = 1}); }),
            "a step that drafts must have the weights of an MTP layer, has none");
}

}  // namespace
}  // namespace slipstream::step::test
