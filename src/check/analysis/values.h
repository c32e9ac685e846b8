// Values of one register in several threads that are run together: most are the same in all.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
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

  [[nodiscard]] bool known() const { return state == State::kKnown; }

  bool operator==(const Value&) const = default;
};

inline constexpr Value kUnknownValue{.state = Value::State::kUnknown};

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

  // Threads of `arriving` bring `other`; those of `held` are here already, and where they bring
  // something else, what holds of both is kept. Returns those of them of which less is known now.
  RoleSet join(const RoleSet& held, const Values& other, const RoleSet& arriving);

 private:
  Value all_;
  std::shared_ptr<const std::vector<Value>> each_;  // unless all are the same
};

}  // namespace slipstream::check
