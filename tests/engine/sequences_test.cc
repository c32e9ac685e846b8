// The host's bookkeeping of sequences and their pages.

#include "engine/sequences.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

// Four pages of 64 tokens, of which one sequence can have three.
Sequences four_pages(bool external = false) {
  return Sequences({.most = 3,
                    .pages = 4,
                    .most_positions = 190,
                    .most_adjusted = 1,
                    .external_pages = external});
}

Sequence& new_sequence(Sequences& sequences) { return sequences.at(sequences.create({})); }

TEST(Sequences, TakeAPageWhereTheLastOneIsFull) {
  Sequences sequences = four_pages();
  Sequence& sequence = new_sequence(sequences);
  EXPECT_EQ(sequences.reserve(std::array{&sequence}, 64).size(), 1U);
  sequence.length = 64;
  EXPECT_EQ(sequence.pages.size(), 1U);
  EXPECT_EQ(sequences.reserve(std::array{&sequence}, 1).size(), 1U);
  EXPECT_EQ(sequence.pages.size(), 2U);
  sequence.length = 65;
  EXPECT_TRUE(sequences.reserve(std::array{&sequence}, 63).empty());
}

TEST(Sequences, TakeSparePagesAsFarAsThereAreAny) {
  Sequences sequences = four_pages();
  Sequence& first = new_sequence(sequences);
  Sequence& second = new_sequence(sequences);
  (void)sequences.reserve(std::array{&first, &second}, 1);
  EXPECT_EQ(sequences.capacity(first), 64);
  sequences.reserve_spare(std::array{&first, &second}, 500);
  EXPECT_EQ(sequences.capacity(first), 190);  // three pages, and no position beyond
  EXPECT_EQ(sequences.capacity(second), 64);
}

TEST(Sequences, GiveBackPagesThatOnlyTokensOfARollBackNeeded) {
  Sequences sequences = four_pages();
  Sequence& first = new_sequence(sequences);
  (void)sequences.reserve(std::array{&first}, 190);
  first.length = 190;
  sequences.roll_back(first, 64);
  EXPECT_EQ(first.length, 64);
  EXPECT_EQ(first.pages.size(), 1U);
  Sequence& second = new_sequence(sequences);
  EXPECT_EQ(sequences.reserve(std::array{&second}, 190).size(), 1U);
}

TEST(Sequences, NeverShareAPage) {
  Sequences sequences = four_pages();
  Sequence& first = new_sequence(sequences);
  Sequence& second = new_sequence(sequences);
  EXPECT_EQ(sequences.reserve(std::array{&first, &second}, 128).size(), 2U);
  std::set<int> pages(first.pages.begin(), first.pages.end());
  pages.insert(second.pages.begin(), second.pages.end());
  EXPECT_EQ(pages, (std::set{0, 1, 2, 3}));
}

TEST(Sequences, GetNoPageWhereThereAreNotEnoughForAll) {
  Sequences sequences = four_pages();
  Sequence& first = new_sequence(sequences);
  Sequence& second = new_sequence(sequences);
  EXPECT_EQ(model::test::message_of([&] {
              (void)sequences.reserve(std::array{&first, &second}, 129);
            }),
            "the cache must have 6 free pages of 64 tokens, has 4");
  EXPECT_TRUE(first.pages.empty());
  EXPECT_EQ(sequences.reserve(std::array{&first}, 129).size(), 1U);
}

TEST(Sequences, EndWhereTheirPositionsEnd) {
  Sequences sequences = four_pages();
  Sequence& sequence = new_sequence(sequences);
  sequence.length = 100;
  EXPECT_EQ(model::test::message_of([&] { (void)sequences.reserve(std::array{&sequence}, 91); }),
            "a sequence must have at most 190 tokens, would have 191");
  EXPECT_EQ(sequences.reserve(std::array{&sequence}, 90).size(), 1U);
}

TEST(Sequences, GiveSlotAndPagesBackWhenTheyAreFreed) {
  Sequences sequences = four_pages();
  const SequenceId gone = sequences.create({});
  const int slot = sequences.at(gone).slot;
  (void)sequences.reserve(std::array{&sequences.at(gone)}, 190);
  const std::vector<int> pages = sequences.at(gone).pages;
  sequences.free(gone);
  Sequence& next = new_sequence(sequences);
  EXPECT_EQ(next.slot, slot);
  (void)sequences.reserve(std::array{&next}, 190);
  EXPECT_EQ(std::set(next.pages.begin(), next.pages.end()), std::set(pages.begin(), pages.end()));
  EXPECT_EQ(next.length, 0);
}

TEST(Sequences, AreNamedOnce) {
  Sequences sequences = four_pages();
  const SequenceId gone = sequences.create({});
  sequences.free(gone);
  EXPECT_NE(sequences.create({}), gone);
  EXPECT_EQ(model::test::message_of([&] { (void)sequences.at(gone); }),
            "sequence must be a living one, is 0");
  EXPECT_EQ(model::test::message_of([&] { sequences.free(gone); }),
            "sequence must be a living one, is 0");
}

TEST(Sequences, AreNoMoreThanThereIsRoomFor) {
  Sequences sequences = four_pages();
  for (int i = 0; i < 3; ++i) (void)sequences.create({});
  EXPECT_EQ(model::test::message_of([&] { (void)sequences.create({}); }),
            "sequences must be at most max_sequences = 3, are 4");
}

TEST(Sequences, CheckHowTheyAreSampled) {
  Sequences sequences = four_pages();
  EXPECT_EQ(model::test::message_of([&] { (void)sequences.create({.sampling = {.top_p = 0}}); }),
            "top_p must be above 0 and at most 1, is 0");
  EXPECT_NO_THROW((void)sequences.create({}));
}

TEST(Sequences, AreNoMoreWithPenaltiesThanThereAreHistories) {
  Sequences sequences = four_pages();
  const SequenceOptions penalized{.sampling = {.presence_penalty = 1}};
  const SequenceId first = sequences.create(penalized);
  EXPECT_EQ(sequences.at(first).history, 0);
  EXPECT_EQ(sequences.at(sequences.create({})).history, -1);
  EXPECT_EQ(
      model::test::message_of([&] {
        (void)sequences.create({.logit_bias = {{1, 2}}});
      }),
      "sequences with penalties or logit_bias must be at most max_adjusted_sequences = 1, are 2");
  sequences.free(first);
  EXPECT_EQ(sequences.at(sequences.create(penalized)).history, 0);
}

TEST(SequencesOnExternalPages, HaveThePagesThatTheyAreGiven) {
  Sequences sequences = four_pages(/*external=*/true);
  const SequenceId id = sequences.create({.pages = {3, 1}, .length = 70});
  Sequence& sequence = sequences.at(id);
  EXPECT_EQ(sequence.length, 70);
  EXPECT_TRUE(sequences.reserve(std::array{&sequence}, 58).empty());
  EXPECT_EQ(model::test::message_of([&] { (void)sequences.reserve(std::array{&sequence}, 59); }),
            "a sequence must have 3 pages for 129 tokens, has 2");
  sequences.append_pages(id, std::array{0});
  EXPECT_TRUE(sequences.reserve(std::array{&sequence}, 59).empty());
  EXPECT_EQ(sequence.pages, (std::vector{3, 1, 0}));
  sequences.roll_back(sequence, 3);
  EXPECT_EQ(sequence.pages.size(), 3U);
  sequences.free(id);
  // Nobody's: another one may have them, or two at a time.
  (void)sequences.create({.pages = {3}, .length = 64});
  EXPECT_NO_THROW((void)sequences.create({.pages = {3, 2}, .length = 64}));
}

TEST(SequencesOnExternalPages, RefusePagesThatCannotBe) {
  Sequences sequences = four_pages(/*external=*/true);
  const auto create = [&](std::vector<int> pages, int64_t length) {
    return model::test::message_of(
        [&] { (void)sequences.create({.pages = std::move(pages), .length = length}); });
  };
  EXPECT_EQ(create({4}, 0), "page must be from 0 to cache_pages() - 1 = 3, is 4");
  EXPECT_EQ(create({-1}, 0), "page must be from 0 to cache_pages() - 1 = 3, is -1");
  EXPECT_EQ(create({2, 0, 2}, 0), "pages of a sequence must be different, has 2 twice");
  EXPECT_EQ(create({0, 1, 2, 3}, 0), "a sequence must have at most 3 pages, would have 4");
  EXPECT_EQ(create({1}, 65), "length must be from 0 to 64, what 1 pages hold, is 65");
  EXPECT_EQ(create({0, 1, 2}, 191), "length must be from 0 to 190, what 3 pages hold, is 191");
  EXPECT_EQ(create({1}, -1), "length must be from 0 to 64, what 1 pages hold, is -1");
  const SequenceId id = sequences.create({.pages = {1}});
  EXPECT_EQ(model::test::message_of([&] {
              sequences.append_pages(id, std::array{0, 1});
            }),
            "pages of a sequence must be different, has 1 twice");
  EXPECT_EQ(sequences.at(id).pages, std::vector{1});
  Sequences own = four_pages();
  EXPECT_EQ(model::test::message_of([&] { (void)own.create({.pages = {1}}); }),
            "pages and length of a new sequence must be none without external_pages, are given");
  const SequenceId other = own.create({});
  EXPECT_EQ(model::test::message_of([&] { own.append_pages(other, std::array{1}); }),
            "pages must come from the engine without external_pages, are given");
}

}  // namespace
}  // namespace slipstream::engine::test
