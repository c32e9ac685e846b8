// What the ranks of a model tell each other on the host, whether each is a thread of one process
// (thread_meeting.h) or a process (process_meeting.h). Nothing here is on the path of a step's data.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "slipstream/error.h"

namespace slipstream::engine {

class Meeting {
 public:
  Meeting() = default;
  virtual ~Meeting() = default;
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int ranks() const = 0;

  // What every rank gave, in the order of the ranks, once all have. Throws RankError if the ranks'
  // work ends before.
  virtual std::vector<std::string> gather(const std::string& mine) = 0;
  // From rank 0 to all others, which it does not wait for. Throws RankError if the work has ended.
  virtual void send(const std::string& command) = 0;
  // The next of rank 0's commands. Throws RankError if the ranks' work ends before it comes.
  [[nodiscard]] virtual std::string receive() = 0;

  // Ends the work of all ranks: on each of them failure() is `why` from now on, whatever waits
  // throws it, and the handler is called. Only the first failure counts.
  virtual void fail(const std::string& why) noexcept = 0;
  // Why the ranks' work ended; empty if it did not.
  [[nodiscard]] virtual std::string failure() const = 0;
  // What is called when the work ends, by any thread; at once if it has ended already. An empty
  // function takes the last one back, and waits for a call that is under way.
  virtual void on_failure(std::function<void()> handler) = 0;

  // Waits until every rank is here, or is gone, or a few seconds have passed: after it no rank uses
  // what another one is about to free. The last call on this object.
  virtual void leave() noexcept = 0;
};

// Ends the work of all ranks for an error of this one.
void fail_for(Meeting& meeting, const std::exception& error) noexcept;

// What went wrong on one rank, and how all of them learn of it.
struct Complaint {
  bool is_invalid_argument = false;
  std::string text;  // empty: nothing

  // Of the exception that is being handled.
  [[nodiscard]] static Complaint current();
};

// Throws, on every rank, the complaint of the first rank that has one: named, unless all say the
// same. Returns if none has one.
void require_no_complaint(Meeting& meeting, const Complaint& mine);

// The result of `action`, which all ranks run, once it has gone well on every one of them. Without
// a meeting, just that.
template <class Action>
auto agree(Meeting* meeting, const Action& action) {
  if (meeting == nullptr) return action();
  using Result = decltype(action());
  if constexpr (std::is_void_v<Result>) {
    Complaint complaint;
    try {
      action();
    } catch (...) {
      complaint = Complaint::current();
    }
    require_no_complaint(*meeting, complaint);
  } else {
    std::optional<Result> result;
    Complaint complaint;
    try {
      result.emplace(action());
    } catch (...) {
      complaint = Complaint::current();
    }
    require_no_complaint(*meeting, complaint);
    return std::move(*result);
  }
}

}  // namespace slipstream::engine
