#include "engine/ranks/process_meeting.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "engine/ranks/connection.h"
#include "slipstream/version.h"

namespace slipstream::engine {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = Message::Kind;

constexpr std::chrono::milliseconds kHeartbeat{1000};

std::string seconds(std::chrono::milliseconds time) {
  return fmt::format("{:g} s", std::chrono::duration<double>(time).count());
}

constexpr std::chrono::seconds kLeaveLimit{5};

struct Hello {
  int rank = 0;
  int ranks = 0;
  std::string version;

  [[nodiscard]] std::string text() const { return fmt::format("{} {} {}", rank, ranks, version); }
};

std::string own_version() { return fmt::format("{} ({})", version(), commit()); }

std::optional<Hello> read_hello(const Message& message) {
  Hello hello;
  int used = 0;
  const bool is_hello =
      message.kind == Kind::kHello &&
      std::sscanf(message.text.c_str(), "%d %d %n", &hello.rank, &hello.ranks, &used) == 2;
  if (!is_hello) return std::nullopt;
  hello.version = message.text.substr(used);
  return hello;
}

// Length and bytes of each.
std::string join(const std::vector<std::string>& parts) {
  std::string result;
  for (const std::string& part : parts) {
    const uint64_t size = part.size();
    result.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
  }
  return result;
}

std::vector<std::string> split(const std::string& joined) {
  std::vector<std::string> parts;
  for (size_t at = 0; at + sizeof(uint64_t) <= joined.size();) {
    uint64_t size = 0;
    std::memcpy(&size, joined.data() + at, sizeof size);
    parts.push_back(joined.substr(at + sizeof size, size));
    at += sizeof size + size;
  }
  return parts;
}

using Connections = std::map<int, std::unique_ptr<Connection>>;  // by the rank at the other end

class ProcessMeeting final : public Meeting {
 public:
  ProcessMeeting(ProcessPlace place, Connections connections)
      : place_(std::move(place)), connections_(std::move(connections)) {
    for (auto& [rank, connection] : connections_) {
      readers_.emplace_back(
          [this, rank = rank, connection = connection.get()] { listen_to(rank, *connection); });
    }
  }

  ~ProcessMeeting() override {
    for (auto& [rank, connection] : connections_) connection->shut_down();
    for (std::thread& reader : readers_) reader.join();
  }

  [[nodiscard]] int rank() const override { return place_.rank; }
  [[nodiscard]] int ranks() const override { return place_.ranks; }

  std::vector<std::string> gather(const std::string& mine) override {
    if (rank() != 0) {
      tell(0, {Kind::kGather, mine});
      return split(next(gathered_, 0));
    }
    std::vector<std::string> all = {mine};
    for (int other = 1; other < ranks(); ++other) all.push_back(next(gathered_, other));
    for (int other = 1; other < ranks(); ++other) tell(other, {Kind::kGather, join(all)});
    return all;
  }

  void send(const std::string& command) override {
    for (int other = 1; other < ranks(); ++other) tell(other, {Kind::kCommand, command});
  }

  [[nodiscard]] std::string receive() override { return next(commands_, 0); }

  void fail(const std::string& why) noexcept override { fail_but(why, rank()); }

  [[nodiscard]] std::string failure() const override {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  void on_failure(std::function<void()> handler) override {
    const std::lock_guard lock(handler_mutex_);
    handler_ = std::move(handler);
    if (handler_ && !failure().empty()) handler_();
  }

  void leave() noexcept override {
    for (auto& [rank, connection] : connections_) (void)connection->send({Kind::kLeave, ""});
    std::unique_lock lock(mutex_);
    leaving_ = true;
    changed_.wait_for(lock, kLeaveLimit, [&] { return left_.size() == connections_.size(); });
  }

 private:
  // Rank 0 has others to tell; they have told rank 0.
  void fail_but(const std::string& why, int teller) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_.empty()) return;
      failure_ = why.empty() ? "a rank failed" : why;
      changed_.notify_all();
    }
    for (auto& [rank, connection] : connections_) {
      if (rank != teller) (void)connection->send({Kind::kFailure, why});
    }
    const std::lock_guard lock(handler_mutex_);
    if (handler_) handler_();
  }

  void tell(int other, const Message& message) {
    const std::string ended = failure();
    if (!ended.empty()) throw RankError(ended);
    if (!connections_.at(other)->send(message)) {
      fail(fmt::format("rank {} is gone: its connection is closed", other));
      throw RankError(failure());
    }
  }

  // What rank `other` sent next.
  std::string next(std::map<int, std::deque<std::string>>& queues, int other) {
    {
      std::unique_lock lock(mutex_);
      std::deque<std::string>& queue = queues[other];
      changed_.wait(lock,
                    [&] { return !queue.empty() || !failure_.empty() || left_.contains(other); });
      // What came before a failure still counts, so that ranks do not part over how fast they are.
      if (!queue.empty()) {
        std::string text = std::move(queue.front());
        queue.pop_front();
        return text;
      }
      if (!failure_.empty()) throw RankError(failure_);
    }
    fail(fmt::format("rank {} has left", other));
    throw RankError(failure());
  }

  // What the connection brings, until it ends.
  void listen_to(int other, Connection& connection) {
    Clock::time_point heard = Clock::now();
    Clock::time_point next_beat = heard;
    Message message;
    while (true) {
      const Connection::Outcome outcome =
          connection.receive(message, static_cast<int>(kHeartbeat.count() / 2));
      if (outcome == Connection::Outcome::kClosed) {
        return lose(other, "is gone: its connection is closed");
      }
      const Clock::time_point now = Clock::now();
      if (outcome == Connection::Outcome::kMessage) {
        heard = now;
        if (message.kind == Kind::kLeave) return let_go(other);
        take(other, message);
      } else if (now - heard > place_.silence) {
        return lose(other, "has been silent for " + seconds(place_.silence));
      }
      if (now < next_beat) continue;
      (void)connection.send({Kind::kAlive, ""});
      next_beat = now + kHeartbeat;
    }
  }

  void take(int other, Message& message) {
    if (message.kind == Kind::kFailure) return fail_but(message.text, other);
    const std::lock_guard lock(mutex_);
    if (message.kind == Kind::kGather) gathered_[other].push_back(std::move(message.text));
    if (message.kind == Kind::kCommand) commands_[other].push_back(std::move(message.text));
    changed_.notify_all();
  }

  void let_go(int other) {
    const std::lock_guard lock(mutex_);
    left_.insert(other);
    changed_.notify_all();
  }

  void lose(int other, const std::string& how) {
    const auto is_expected = [&] {
      const std::lock_guard lock(mutex_);
      return leaving_;
    };
    // First why, then that: whoever waits for it says why.
    if (!is_expected()) fail_but(fmt::format("rank {} {}", other, how), other);
    let_go(other);
  }

  const ProcessPlace place_;
  Connections connections_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, std::deque<std::string>> gathered_;  // by rank
  std::map<int, std::deque<std::string>> commands_;
  std::string failure_;
  bool leaving_ = false;
  std::set<int> left_;

  std::mutex handler_mutex_;  // taken before mutex_
  std::function<void()> handler_;
  std::vector<std::thread> readers_;
};

// Rank 0's side of the start: who has come, and what is wrong with it.
class Reception {
 public:
  explicit Reception(const ProcessPlace& place)
      : place_(place), listener_(place.host, place.port) {}

  Connections wait_for_all() {
    const Clock::time_point end = Clock::now() + place_.patience;
    while (static_cast<int>(connections_.size()) + 1 < place_.ranks) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      if (left.count() <= 0) turn_away(missing_text());
      if (const std::optional<int> socket = listener_.accept(static_cast<int>(left.count()))) {
        admit(std::make_unique<Connection>(*socket));
      }
    }
    for (auto& [rank, connection] : connections_) (void)connection->send({Kind::kHello, ""});
    return std::move(connections_);
  }

 private:
  void admit(std::unique_ptr<Connection> connection) {
    constexpr int kHelloMilliseconds = 2000;
    Message message;
    if (connection->receive(message, kHelloMilliseconds) != Connection::Outcome::kMessage) return;
    const std::optional<Hello> hello = read_hello(message);
    if (!hello) return;  // somebody else's connection
    const std::string problem = problem_of(*hello);
    const int rank = connections_.contains(hello->rank) ? -1 - hello->rank : hello->rank;
    connections_[rank] = std::move(connection);
    if (!problem.empty()) turn_away(problem);
  }

  [[nodiscard]] std::string problem_of(const Hello& hello) const {
    if (hello.ranks != place_.ranks) {
      return fmt::format(
          "WORLD_SIZE must be the same on all ranks, is {} on rank 0 and {} on rank {}",
          place_.ranks, hello.ranks, hello.rank);
    }
    if (hello.rank == 0 || connections_.contains(hello.rank)) {
      return fmt::format("RANK must be another one in each process, is {} in two of them",
                         hello.rank);
    }
    if (hello.version != own_version()) {
      return fmt::format(
          "slipstream must be the same on all ranks, is {} on rank 0 and {} on rank {}",
          own_version(), hello.version, hello.rank);
    }
    return "";
  }

  [[nodiscard]] std::string missing_text() const {
    std::vector<int> missing;
    for (int rank = 1; rank < place_.ranks; ++rank) {
      if (!connections_.contains(rank)) missing.push_back(rank);
    }
    return fmt::format("WORLD_SIZE = {} ranks must start within {}, but rank {} did not",
                       place_.ranks, seconds(place_.patience), fmt::join(missing, ", "));
  }

  [[noreturn]] void turn_away(const std::string& problem) {
    for (auto& [rank, connection] : connections_) {
      (void)connection->send({Kind::kFailure, problem});
    }
    throw RankError(problem);
  }

  const ProcessPlace& place_;
  Listener listener_;
  Connections connections_;
};

Connections connect_to_rank_0(const ProcessPlace& place) {
  constexpr std::chrono::milliseconds kPause{50};
  const Clock::time_point end = Clock::now() + place.patience;
  std::unique_ptr<Connection> connection;
  while (connection == nullptr) {
    if (const std::optional<int> socket = connect_to(place.host, place.port)) {
      connection = std::make_unique<Connection>(*socket);
    } else if (Clock::now() > end) {
      throw RankError(fmt::format("rank 0 must listen at {}:{} within {}, did not", place.host,
                                  place.port, seconds(place.patience)));
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
  (void)connection->send({Kind::kHello, Hello{place.rank, place.ranks, own_version()}.text()});
  Message answer;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(place.patience +
                                                                          std::chrono::seconds(2));
  const auto outcome = connection->receive(answer, static_cast<int>(left.count()));
  if (outcome == Connection::Outcome::kMessage && answer.kind == Kind::kFailure) {
    throw RankError(answer.text);
  }
  if (outcome != Connection::Outcome::kMessage || answer.kind != Kind::kHello) {
    throw RankError(fmt::format("rank 0 at {}:{} must greet, does not", place.host, place.port));
  }
  Connections result;
  result[0] = std::move(connection);
  return result;
}

}  // namespace

std::unique_ptr<Meeting> meet_processes(const ProcessPlace& place) {
  return std::make_unique<ProcessMeeting>(
      place, place.rank == 0 ? Reception(place).wait_for_all() : connect_to_rank_0(place));
}

}  // namespace slipstream::engine
