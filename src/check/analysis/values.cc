#include "check/analysis/values.h"

#include <algorithm>
#include <utility>

namespace slipstream::check {
namespace {

// What holds of both.
Value joined(const Value& a, const Value& b) {
  if (a == b || b.state == Value::State::kUnwritten) return a;
  if (a.state == Value::State::kUnwritten) return b;
  if (!a.known() && !b.known()) {
    Value either = kUnknownValue;
    either.least = std::min(a.least, b.least);
    either.most = std::max(a.most, b.most);
    return either;
  }
  if (!a.known() || !b.known() || a.number != b.number) return kUnknownValue;
  return {.state = Value::State::kKnown,
          .same_in_warp = a.same_in_warp && b.same_in_warp,
          .number = a.number};
}

size_t end_of(const RoleSet& threads) {
  constexpr size_t kStep = 32;
  size_t end = threads.size();
  while (end >= kStep && (threads >> (end - kStep)).none()) end -= kStep;
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

Arrival::Arrival(const RoleSet& held, const RoleSet& arriving)
    : held(held),
      met(held & arriving),
      all(held | arriving),
      all_meet(met == arriving),
      end(end_of(all)) {}

RoleSet Values::join_different(const Values& other, const Arrival& arrival) {
  if (arrival.held.none()) {
    *this = other;
    return {};
  }
  if (same() && other.same() && arrival.all_meet) {
    const Value value = joined(all_, other.all_);
    if (value == all_) return {};
    if (arrival.met == arrival.held) {
      all_ = value;
      return arrival.met;
    }
  }
  RoleSet changed;
  for (size_t t = 0; t < arrival.end; ++t) {
    if (arrival.met.test(t)) changed.set(t, joined(in(t), other.in(t)) != in(t));
  }
  if (changed.none() && arrival.all_meet) return {};
  std::vector<Value> each(arrival.end);
  for (size_t t = 0; t < each.size(); ++t) {
    if (!arrival.all.test(t)) continue;
    each[t] = !arrival.held.test(t) ? other.in(t)
              : changed.test(t)     ? joined(in(t), other.in(t))
                                    : in(t);
  }
  *this = Values(std::move(each), arrival.all);
  return changed;
}

}  // namespace slipstream::check
