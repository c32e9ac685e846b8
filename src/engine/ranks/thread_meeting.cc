#include "engine/ranks/thread_meeting.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

namespace slipstream::engine {
namespace {

constexpr std::chrono::seconds kThreadsLeaveLimit{5};

// What the threads share.
class Table {
 public:
  explicit Table(int ranks) : given_(ranks), commands_(ranks), handlers_(ranks) {}

  [[nodiscard]] int ranks() const { return static_cast<int>(given_.size()); }

  std::vector<std::string> gather(int rank, const std::string& mine) {
    std::unique_lock lock(mutex_);
    require_going_on();
    given_[rank] = mine;
    const int round = round_;
    if (++arrived_ == ranks()) {
      arrived_ = 0;
      ++round_;
      gathered_ = given_;
      changed_.notify_all();
    } else {
      changed_.wait(lock, [&] { return round_ != round || !failure_.empty(); });
      if (round_ == round) require_going_on();
    }
    // The next round ends only when this rank takes part in it.
    return gathered_;
  }

  void send(const std::string& command) {
    const std::lock_guard lock(mutex_);
    require_going_on();
    for (size_t rank = 1; rank < commands_.size(); ++rank) commands_[rank].push_back(command);
    changed_.notify_all();
  }

  std::string receive(int rank) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !commands_[rank].empty() || !failure_.empty(); });
    if (commands_[rank].empty()) require_going_on();
    std::string command = std::move(commands_[rank].front());
    commands_[rank].pop_front();
    return command;
  }

  void fail(const std::string& why) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_.empty()) return;
      failure_ = why.empty() ? "a rank failed" : why;
      changed_.notify_all();
    }
    const std::lock_guard lock(handlers_mutex_);
    for (const std::function<void()>& handler : handlers_) {
      if (handler) handler();
    }
  }

  [[nodiscard]] std::string failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  void on_failure(int rank, std::function<void()> handler) {
    const std::lock_guard lock(handlers_mutex_);
    handlers_[rank] = std::move(handler);
    if (handlers_[rank] && !failure().empty()) handlers_[rank]();
  }

  void leave() {
    std::unique_lock lock(mutex_);
    ++left_;
    changed_.notify_all();
    changed_.wait_for(lock, kThreadsLeaveLimit, [&] { return left_ >= ranks(); });
  }

 private:
  void require_going_on() const {
    if (!failure_.empty()) throw RankError(failure_);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> given_;
  std::vector<std::string> gathered_;
  int arrived_ = 0;
  int round_ = 0;
  int left_ = 0;
  std::vector<std::deque<std::string>> commands_;
  std::string failure_;

  std::mutex handlers_mutex_;  // taken before mutex_
  std::vector<std::function<void()>> handlers_;
};

class ThreadMeeting final : public Meeting {
 public:
  ThreadMeeting(std::shared_ptr<Table> table, int rank) : table_(std::move(table)), rank_(rank) {}

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int ranks() const override { return table_->ranks(); }
  std::vector<std::string> gather(const std::string& mine) override {
    return table_->gather(rank_, mine);
  }
  void send(const std::string& command) override { table_->send(command); }
  [[nodiscard]] std::string receive() override { return table_->receive(rank_); }
  void fail(const std::string& why) noexcept override { table_->fail(why); }
  [[nodiscard]] std::string failure() const override { return table_->failure(); }
  void on_failure(std::function<void()> handler) override {
    table_->on_failure(rank_, std::move(handler));
  }
  void leave() noexcept override { table_->leave(); }

 private:
  std::shared_ptr<Table> table_;
  int rank_;
};

}  // namespace

std::vector<std::unique_ptr<Meeting>> make_thread_meetings(int ranks) {
  const auto table = std::make_shared<Table>(ranks);
  std::vector<std::unique_ptr<Meeting>> result;
  result.reserve(ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    result.push_back(std::make_unique<ThreadMeeting>(table, rank));
  }
  return result;
}

}  // namespace slipstream::engine
