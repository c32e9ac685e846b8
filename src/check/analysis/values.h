// Values of one register in several threads that are run together: most are the same in all.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace slipstream::check {

inline constexpr size_t kMaxRoles = 192;
// Of the threads that are run together, by their numbers.
using RoleSet = std::bitset<kMaxRoles>;

struct Value {
  enum class State : uint8_t { kUnwritten, kUnknown, kKnown };

  State state = State::kUnwritten;
  bool same_in_warp = false;
  int64_t number = 0;
  // Of one that is not known: where branches have shown, as a signed number, it must lie.
  int32_t least = INT32_MIN;
  int32_t most = INT32_MAX;

  [[nodiscard]] bool known() const { return state == State::kKnown; }
  [[nodiscard]] bool bounded() const { return least != INT32_MIN || most != INT32_MAX; }

  bool operator==(const Value&) const = default;
};

inline constexpr Value kUnknownValue{.state = Value::State::kUnknown};

// Threads that come to where others are already.
struct Arrival {
  Arrival(const RoleSet& held, const RoleSet& arriving);

  RoleSet held;
  RoleSet met;  // are there already and come again
  RoleSet all;
  bool all_meet = false;  // nobody comes for the first time
  size_t end = 0;         // of the numbers of threads
};

class Values {
 public:
  Values() = default;
  explicit Values(const Value& all) : all_(all) {}
  // `each` is by thread; only those of `threads` count.
  Values(std::vector<Value> each, const RoleSet& threads);

  // Whether all threads have one value, in(0).
  [[nodiscard]] bool same() const { return each_ == nullptr; }
  [[nodiscard]] const Value& in(size_t thread) const {
    return each_ == nullptr ? all_ : (*each_)[thread];
  }

  // Gives every thread what `change` makes of its value.
  template <class Change>
  void change_each(const Change& change) {
    all_ = change(all_);
    if (each_ == nullptr) return;
    std::vector<Value> each = *each_;
    for (Value& one : each) one = change(one);
    each_ = std::make_shared<const std::vector<Value>>(std::move(each));
  }

  // Those who come bring `other`; where somebody holds something else already, what holds of both is
  // kept. Returns the threads of which less is known now.
  RoleSet join(const Values& other, const Arrival& arrival) {
    const bool equal = each_ == other.each_ && (each_ != nullptr || all_ == other.all_);
    const bool knows_nothing = same() && all_ == kUnknownValue;
    if (equal || (knows_nothing && arrival.all_meet)) return {};
    return join_different(other, arrival);
  }

 private:
  RoleSet join_different(const Values& other, const Arrival& arrival);

  Value all_;
  std::shared_ptr<const std::vector<Value>> each_;  // unless all are the same
};

}  // namespace slipstream::check
