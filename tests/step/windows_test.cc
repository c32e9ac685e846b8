// Which buffer each exchange of a step takes, for models of any depth.

#include "step/windows.h"

#include <gtest/gtest.h>

#include <set>

#include "model/float_formats.h"
#include "slipstream/error.h"
#include "tests/step/support/played_ranks.h"

namespace slipstream::step::test {
namespace {

constexpr int kDepths[] = {1, 2, 3, 4, 5, 8, 61, 78};

TEST(WindowLayout, GivesAnyThreeExchangesInARowBuffersOfTheirOwn) {
  for (const int layers : kDepths) {
    const WindowLayout layout(window_config(128, layers), 2);
    for (int exchange = 2; exchange < layout.exchanges() + 2 * kernels::kMaxDrafts; ++exchange) {
      const std::set<int> buffers{layout.buffer_of(exchange - 2), layout.buffer_of(exchange - 1),
                                  layout.buffer_of(exchange)};
      EXPECT_EQ(buffers.size(), 3U) << layers << " layers, exchange " << exchange;
    }
  }
}

// Its rows are emptied while a peer may be sending the next step's first. A step may be of any number
// of drafts.
TEST(WindowLayout, GivesTheLastExchangeAnotherBufferThanTheFirst) {
  for (const int layers : kDepths) {
    const WindowLayout layout(window_config(128, layers), 2);
    for (int drafts = 0; drafts <= kernels::kMaxDrafts; ++drafts) {
      const int last = layout.exchanges() - 1 + 2 * drafts;
      EXPECT_NE(layout.buffer_of(last), layout.buffer_of(0)) << layers << ", " << drafts;
      EXPECT_LT(layout.buffer_of(last), layout.buffers()) << layers << ", " << drafts;
    }
  }
}

TEST(WindowLayout, KeepsAllRowsAndPicksApart) {
  const WindowLayout layout(window_config(256, 2), 3);
  std::set<int64_t> begins;
  for (int exchange = 0; exchange < layout.exchanges(); ++exchange) {
    for (int source = 0; source < 3; ++source) {
      const int64_t begin = layout.rows(exchange, source);
      EXPECT_GE(begin, int64_t{sizeof(kernels::WindowHead)});
      EXPECT_EQ(begin % 16, 0);
      EXPECT_LE(begin + layout.source_bytes(), layout.picks());
      begins.insert(begin);
    }
  }
  EXPECT_EQ(begins.size(), 4U * 3);
  int64_t last = -layout.source_bytes();
  for (const int64_t begin : begins) {
    EXPECT_GE(begin - last, layout.source_bytes());
    last = begin;
  }
  EXPECT_GE(layout.gathered() - last, layout.source_bytes());
  EXPECT_LE(layout.gathered() + layout.source_bytes(), layout.picks());
  EXPECT_EQ(layout.gathered() % 16, 0);
  EXPECT_EQ(layout.picks() % 16, 0);
  EXPECT_LT(layout.picks(), layout.bytes());
}

TEST(PollRecord, NamesTheRankWhoseColumnOfADraftsStartIsNotThere) {
  const model::ModelConfig config = window_config(256, 1);  // 16 tiles: 6, 5 and 5
  PollRecord record{.silent_rank = 0, .exchange = kernels::kGathering, .column = 95};
  EXPECT_EQ(silent_rank(record, config, 3), 0);
  record.column = 96;
  EXPECT_EQ(silent_rank(record, config, 3), 1);
  record.column = 255;
  EXPECT_EQ(silent_rank(record, config, 3), 2);
  record.exchange = 4;
  EXPECT_EQ(silent_rank(record, config, 3), 0);
}

TEST(WindowLayout, RefusesMoreRanksThanKernelsKnow) {
  EXPECT_THROW(WindowLayout(window_config(128, 1), 9), InvalidArgument);
  EXPECT_THROW(WindowLayout(window_config(128, 1), 0), InvalidArgument);
}

TEST(WindowLayout, RefusesRowsWiderThanTheDistanceBetweenRanks) {
  EXPECT_NO_THROW(WindowLayout(window_config(8192, 1), 2));
  EXPECT_THROW(WindowLayout(window_config(8320, 1), 2), InvalidArgument);
}

TEST(Windows, AreEmptyAfterTheyAreClearedWhateverWasInThem) {
  const PlayedRanks ranks(128, 2, 2);
  ranks.send(1, 0, 3, std::vector<uint16_t>(128, 0x3f80));
  ranks.tell(1, 0, 9, 15, 255, 7, 7);
  break_polls(ranks.windows(0), ranks.stream());
  EXPECT_FALSE(rows_are_empty(ranks.windows(0), ranks.config(), ranks.stream()));
  EXPECT_EQ(ranks.head(0).broken, 1U);
  const std::vector<std::byte> fresh = ranks.whole_window(1);
  clear_window(ranks.windows(0), ranks.config(), ranks.stream());
  EXPECT_EQ(ranks.whole_window(0), fresh);
  EXPECT_TRUE(rows_are_empty(ranks.windows(0), ranks.config(), ranks.stream()));
}

TEST(Windows, AddUpWhatAnExchangeBroughtInTheOrderOfTheRanks) {
  const PlayedRanks ranks(128, 1, 3);
  const float values[] = {0x1p30F, -0x1p30F, 1.0F};
  for (int source = 0; source < 3; ++source) {
    ranks.send(source, 1, 1, std::vector<uint16_t>(2 * 128, model::float_to_bf16(values[source])));
  }
  EXPECT_EQ(download_sums(ranks.windows(1), ranks.config(), 1, 2, ranks.stream()),
            std::vector<float>(2 * 128, 1.0F));
}

}  // namespace
}  // namespace slipstream::step::test
