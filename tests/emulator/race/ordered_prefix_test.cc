#include "emulator/race/ordered_prefix.h"

#include <gtest/gtest.h>

namespace slipstream::emulator::race {
namespace {

TicketSet known(std::initializer_list<Ticket> tickets) {
  TicketSet set;
  for (const Ticket ticket : tickets) set.insert(ticket);
  return set;
}

class Prefix : public testing::Test {
 protected:
  Prefix() {
    prefix.begin(1, {10, 1});
    prefix.begin(2, {20, 2});
    prefix.begin(3, {30, 3});
    prefix.begin(2, {40, 4});
  }
  Cell of(std::initializer_list<Ticket> tickets) {
    return prefix.known_to(known(tickets), {50, 5}).access;
  }

  OrderedPrefix prefix;
};

TEST_F(Prefix, EndsWhereAnItemBeginsThatIsNotKnown) {
  EXPECT_EQ(of({}), 10U);
  EXPECT_EQ(of({1}), 20U);
  EXPECT_EQ(of({1, 3}), 20U);
  EXPECT_EQ(of({1, 2}), 30U);
}

TEST_F(Prefix, IsEverythingForOneWhoKnowsAllItems) {
  EXPECT_EQ(of({1, 2, 3}), 50U);
  EXPECT_EQ(prefix.known_to(known({1, 2, 3}), {50, 5}).set, 5U);
}

TEST_F(Prefix, IsShortForOneWhoKnowsLessThanTheLast) {
  EXPECT_EQ(of({1, 2}), 30U);
  EXPECT_EQ(of({2, 3}), 10U);
  EXPECT_EQ(of({1}), 20U);
}

}  // namespace
}  // namespace slipstream::emulator::race
