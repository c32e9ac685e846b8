#include "check/analysis/values.h"

#include <algorithm>
#include <utility>

namespace slipstream::check {
namespace {

// What holds of both.
Value joined(const Value& a, const Value& b) {
  if (a == b || b.state == Value::State::kUnwritten) return a;
  if (a.state == Value::State::kUnwritten) return b;
  if (!a.known() || !b.known() || a.number != b.number) return kUnknownValue;
  return {.state = Value::State::kKnown,
          .same_in_warp = a.same_in_warp && b.same_in_warp,
          .number = a.number};
}

size_t end_of(const RoleSet& threads) {
  size_t end = threads.size();
  while (end > 0 && !threads.test(end - 1)) --end;
  return end;
}

}  // namespace

Values::Values(std::vector<Value> each, const RoleSet& threads) {
  size_t first = 0;
  while (first < each.size() && !threads.test(first)) ++first;
  if (first == each.size()) return;
  for (size_t t = first; t < each.size(); ++t) {
    if (!threads.test(t) || each[t] == each[first]) continue;
    each_ = std::make_shared<const std::vector<Value>>(std::move(each));
    return;
  }
  all_ = each[first];
}

RoleSet Values::join(const RoleSet& held, const Values& other, const RoleSet& arriving) {
  const RoleSet met = held & arriving;
  const bool equal = each_ == other.each_ && (each_ != nullptr || all_ == other.all_);
  if (equal) return {};
  if (held.none()) {
    *this = other;
    return {};
  }
  const bool all_meet = (arriving & ~held).none();
  if (same() && other.same() && all_meet) {
    const Value value = joined(all_, other.all_);
    if (value == all_) return {};
    if (met == held) {
      all_ = value;
      return met;
    }
  }
  RoleSet changed;
  const RoleSet threads = held | arriving;
  std::vector<Value> each(end_of(threads));
  for (size_t t = 0; t < each.size(); ++t) {
    if (!threads.test(t)) continue;
    const bool is_held = held.test(t);
    each[t] = is_held ? in(t) : other.in(t);
    if (!met.test(t)) continue;
    each[t] = joined(in(t), other.in(t));
    changed.set(t, each[t] != in(t));
  }
  if (changed.any() || !all_meet) *this = Values(std::move(each), threads);
  return changed;
}

}  // namespace slipstream::check
