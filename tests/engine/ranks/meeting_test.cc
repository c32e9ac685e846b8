// Threads and processes that meet: both kinds keep the same promises.

#include "engine/ranks/meeting.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/ranks/process_meeting.h"
#include "engine/ranks/thread_meeting.h"

namespace slipstream::engine::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

int free_port() {
  static std::atomic<int> next = 20000 + static_cast<int>(getpid()) % 20000;
  return next++;
}

ProcessPlace place(int rank, int ranks, int port) {
  ProcessPlace result;
  result.rank = rank;
  result.ranks = ranks;
  result.host = "127.0.0.1";
  result.port = port;
  result.patience = 5s;
  return result;
}

// What a rank that goes without a word leaves: its meeting, destroyed.
using Member = std::unique_ptr<Meeting>;

std::vector<Member> meet(bool as_processes, int ranks) {
  if (!as_processes) return make_thread_meetings(ranks);
  std::vector<Member> members(ranks);
  std::vector<std::thread> threads;
  const int port = free_port();
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] { members[rank] = meet_processes(place(rank, ranks, port)); });
  }
  for (std::thread& thread : threads) thread.join();
  return members;
}

// Calls work(meeting) on a thread of each rank.
template <class Work>
void on_all(const std::vector<Member>& members, const Work& work) {
  std::vector<std::thread> threads;
  for (const Member& member : members) threads.emplace_back([&] { work(*member); });
  for (std::thread& thread : threads) thread.join();
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

class MeetingOf : public testing::TestWithParam<bool> {};

TEST_P(MeetingOf, GathersWhatEveryRankGives) {
  const auto members = meet(GetParam(), 3);
  on_all(members, [](Meeting& meeting) {
    for (int round = 0; round < 50; ++round) {
      const std::string text(static_cast<size_t>(round) * (meeting.rank() + 1), 'x');
      const auto all = meeting.gather(text);
      ASSERT_EQ(all.size(), 3U);
      for (int rank = 0; rank < 3; ++rank) {
        EXPECT_EQ(all[rank].size(), static_cast<size_t>(round) * (rank + 1));
      }
    }
    meeting.leave();
  });
}

TEST_P(MeetingOf, HandsOnCommandsInOrder) {
  const auto members = meet(GetParam(), 3);
  on_all(members, [](Meeting& meeting) {
    for (int i = 0; i < 100; ++i) {
      if (meeting.rank() == 0) {
        meeting.send(std::to_string(i));
      } else {
        EXPECT_EQ(meeting.receive(), std::to_string(i));
      }
    }
    meeting.leave();
    EXPECT_EQ(meeting.failure(), "");
  });
}

TEST_P(MeetingOf, EndsEverythingWhereOneRankFails) {
  const auto members = meet(GetParam(), 3);
  std::atomic<int> gathered = 0;
  std::atomic<int> handled = 0;
  on_all(members, [&](Meeting& meeting) {
    meeting.on_failure([&] { ++handled; });
    (void)meeting.gather("");
    ++gathered;
    while (gathered < 3) std::this_thread::sleep_for(1ms);
    if (meeting.rank() == 1) meeting.fail("rank 1: out of paper");
    if (meeting.rank() == 0) {
      EXPECT_EQ(error_of([&] { (void)meeting.gather("x"); }), "rank 1: out of paper");
    }
    if (meeting.rank() == 2) {
      EXPECT_EQ(error_of([&] { (void)meeting.receive(); }), "rank 1: out of paper");
    }
    EXPECT_EQ(error_of([&] { meeting.send(""); }), "rank 1: out of paper");
    meeting.fail("rank 2: something that follows from it");
    EXPECT_EQ(meeting.failure(), "rank 1: out of paper");
    // Nobody waits for the one that is called.
    while (handled < 3) std::this_thread::sleep_for(1ms);
    meeting.on_failure({});
    meeting.leave();
  });
  EXPECT_EQ(handled, 3);
}

TEST_P(MeetingOf, CallsAHandlerThatComesTooLate) {
  const auto members = meet(GetParam(), 2);
  on_all(members, [](Meeting& meeting) {
    if (meeting.rank() == 1) meeting.fail("rank 1 is tired");
    while (meeting.failure().empty()) std::this_thread::sleep_for(1ms);
    std::atomic<bool> called = false;
    meeting.on_failure([&] { called = true; });
    while (!called) std::this_thread::sleep_for(1ms);
    meeting.on_failure({});
    meeting.leave();
  });
}

TEST_P(MeetingOf, ThrowsOnAllRanksWhatOneComplainsAbout) {
  const auto members = meet(GetParam(), 3);
  on_all(members, [](Meeting& meeting) {
    const auto unlucky = [&] {
      agree(&meeting, [&] {
        if (meeting.rank() == 2) throw InvalidArgument("weights must fit, do not");
      });
    };
    EXPECT_THROW(unlucky(), InvalidArgument);
    EXPECT_EQ(error_of(unlucky), "rank 2: weights must fit, do not");
    EXPECT_EQ(error_of([&] { agree(&meeting, [] { throw Error("no such file"); }); }),
              "no such file");
    EXPECT_EQ(agree(&meeting, [&] { return meeting.rank(); }), meeting.rank());
    meeting.leave();
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, MeetingOf, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Processes" : "Threads");
});

TEST(ProcessMeeting, TellsTheOthersWithinASecondWhereAProcessIsGone) {
  auto members = meet(true, 3);
  const Clock::time_point begin = Clock::now();
  members[1].reset();  // as its sockets close when it is killed
  EXPECT_EQ(error_of([&] { (void)members[0]->gather(""); }),
            "rank 1 is gone: its connection is closed");
  EXPECT_EQ(error_of([&] { (void)members[2]->receive(); }),
            "rank 1 is gone: its connection is closed");
  EXPECT_LT(Clock::now() - begin, 1s);
}

TEST(ProcessMeeting, TellsTheOthersWhereRank0IsGone) {
  auto members = meet(true, 2);
  members[0].reset();
  EXPECT_EQ(error_of([&] { (void)members[1]->receive(); }),
            "rank 0 is gone: its connection is closed");
}

// Errors of a start, by rank.
std::vector<std::string> errors_of(const std::vector<ProcessPlace>& places) {
  std::vector<std::string> errors(places.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < places.size(); ++i) {
    threads.emplace_back(
        [&, i] { errors[i] = error_of([&] { (void)meet_processes(places[i]); }); });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

TEST(ProcessMeeting, NamesTwoProcessesOfOneRank) {
  const int port = free_port();
  const std::string text = "RANK must be another one in each process, is 1 in two of them";
  EXPECT_EQ(errors_of({place(0, 3, port), place(1, 3, port), place(1, 3, port)}),
            std::vector<std::string>(3, text));
}

TEST(ProcessMeeting, NamesNumbersOfRanksThatDiffer) {
  const int port = free_port();
  const std::string text =
      "WORLD_SIZE must be the same on all ranks, is 2 on rank 0 and 4 on rank 1";
  EXPECT_EQ(errors_of({place(0, 2, port), place(1, 4, port)}), std::vector<std::string>(2, text));
}

TEST(ProcessMeeting, NamesTheRanksThatDoNotStart) {
  const int port = free_port();
  std::vector<ProcessPlace> places = {place(0, 4, port), place(2, 4, port)};
  for (ProcessPlace& one : places) one.patience = 500ms;
  const std::string text = "WORLD_SIZE = 4 ranks must start within 0.5 s, but rank 1, 3 did not";
  EXPECT_EQ(errors_of(places), std::vector<std::string>(2, text));
}

TEST(ProcessMeeting, SaysThatRank0DoesNotListen) {
  ProcessPlace alone = place(1, 2, free_port());
  alone.patience = 200ms;
  EXPECT_EQ(errors_of({alone}).front(), "rank 0 must listen at 127.0.0.1:" +
                                            std::to_string(alone.port) + " within 0.2 s, did not");
}

// In the range from which sockets get their own ports, one tries its luck often enough.
TEST(ProcessMeeting, IsNotMetByItself) {
  ProcessPlace alone = place(1, 2, 45000);
  alone.patience = 3s;
  EXPECT_EQ(errors_of(std::vector<ProcessPlace>(64, alone)).front(),
            "rank 0 must listen at 127.0.0.1:45000 within 3 s, did not");
}

TEST(ProcessMeeting, SaysThatThePortIsTaken) {
  const int port = free_port();
  std::thread first([&] {
    ProcessPlace listening = place(0, 2, port);
    listening.patience = 1s;
    (void)error_of([&] { (void)meet_processes(listening); });
  });
  std::this_thread::sleep_for(200ms);
  const std::string message = error_of([&] { (void)meet_processes(place(0, 2, port)); });
  first.join();
  EXPECT_EQ(message, "rank 0 must listen on port " + std::to_string(port) +
                         " of 127.0.0.1 (MASTER_PORT + 1 of MASTER_ADDR), cannot: Address already "
                         "in use");
}

}  // namespace
}  // namespace slipstream::engine::test
