// The reference's MTP layer against the goldens' drafts.

#include "model/reference/mtp.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/support/golden.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {
namespace {

constexpr int kPages = 3;

std::vector<std::string> all_golden_names() {
  std::vector<std::string> names = golden_names();
  for (const std::string& name : tiny::rank_golden_names()) names.push_back(name);
  return names;
}

class ReferenceDrafts : public testing::TestWithParam<std::string> {
 protected:
  // Of every position of a prompt, in one step.
  [[nodiscard]] Matrix drafts(const reference::Model& model, int prompt) const {
    const std::vector<int> ids = golden_.prompts()[prompt].processed_ids();
    const std::vector<reference::PageTable> pages{{{2, 0, 1}}};
    std::vector<reference::StepToken> tokens;
    std::vector<reference::TokenPlace> places;
    for (int position = 0; position < static_cast<int>(ids.size()); ++position) {
      places.push_back({0, position});
      tokens.push_back({ids[position], places.back()});
    }
    std::vector<reference::LayerCache> caches = make_caches(model, kPages);
    const reference::StepResult result = decode_step(model, tokens, pages, caches);
    std::vector<int> next(ids.begin() + 1, ids.end());
    next.push_back(golden_.prompts()[prompt].continuation.back());
    reference::IndexLists lists;
    return draft({&model, 1}, next, places, result.final_hidden, pages, caches.back(), lists)
        .logits;
  }

  Golden golden_{GetParam()};
};

TEST_P(ReferenceDrafts, ExactLogitsAgreeToTheRoundingOfTheGoldens) {
  const reference::Model exact = load_reference(tiny_checkpoint(GetParam()), Mode::kExact, true);
  for (const int prompt : Golden::drafted_prompts()) {
    // f16 of numbers below 8.
    EXPECT_LT(largest_difference(drafts(exact, prompt), golden_.drafts(prompt)), 4e-3);
  }
}

TEST_P(ReferenceDrafts, EngineLogitsReachTheLimit) {
  const reference::Model model =
      load_reference(tiny_checkpoint(GetParam()), Mode::kBf16Cache, true);
  for (const int prompt : Golden::drafted_prompts()) {
    EXPECT_GE(mean_cosine(drafts(model, prompt), golden_.drafts(prompt)),
              golden_.limits().draft_cosine);
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ReferenceDrafts, testing::ValuesIn(all_golden_names()),
                         checkpoint_test_name);

}  // namespace
}  // namespace slipstream::model::test
