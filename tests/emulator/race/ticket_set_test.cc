#include "emulator/race/ticket_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace slipstream::emulator::race {
namespace {

TEST(TicketSet, HoldsWhatWasInserted) {
  TicketSet set;
  set.insert(3);
  set.insert_range(7, 9);
  EXPECT_FALSE(set.contains(2));
  EXPECT_TRUE(set.contains(3));
  EXPECT_FALSE(set.contains(4));
  EXPECT_TRUE(set.contains(8));
  EXPECT_FALSE(set.contains(9));
}

TEST(TicketSet, JoinsRangesThatMeet) {
  TicketSet set;
  set.insert(1);
  set.insert(3);
  EXPECT_EQ(set.ranges(), 2U);
  set.insert(2);
  EXPECT_EQ(set.ranges(), 1U);
  set.insert_range(10, 20);
  set.insert_range(0, 15);
  EXPECT_EQ(set.ranges(), 1U);
}

TEST(TicketSet, AgreesWithAPlainSetOnRandomOperations) {
  std::mt19937 random(7);
  TicketSet set;
  std::set<Ticket> plain;
  for (int step = 0; step < 300; ++step) {
    TicketSet other;
    const Ticket begin = random() % 200;
    const Ticket end = begin + random() % 8;
    other.insert_range(begin, end);
    set.merge(other);
    for (Ticket ticket = begin; ticket < end; ++ticket) plain.insert(ticket);
    for (Ticket ticket = 0; ticket < 210; ++ticket) {
      ASSERT_EQ(set.contains(ticket), plain.contains(ticket)) << ticket;
    }
  }
}

TEST(TicketSet, IncludesASetOfWhichItHasEveryTicket) {
  TicketSet all;
  all.insert_range(1, 5);
  all.insert_range(8, 12);
  TicketSet some;
  EXPECT_TRUE(all.includes(some));
  some.insert_range(2, 5);
  some.insert(11);
  EXPECT_TRUE(all.includes(some));
  EXPECT_FALSE(some.includes(all));
  some.insert(5);
  EXPECT_FALSE(all.includes(some));
}

}  // namespace
}  // namespace slipstream::emulator::race
