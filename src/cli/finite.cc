#include "cli/finite.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "cli/exit_code.h"

namespace slipstream::cli {

void FiniteCheck::look_at(std::span<const float> values, int64_t row) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    if (not_finite_++ > 0) continue;
    first_row_ = row;
    first_index_ = i;
    first_value_ = values[i];
  }
  values_ += static_cast<int64_t>(values.size());
}

void FiniteCheck::report(bool allowed) const {
  if (not_finite_ == 0) return;
  const std::string first = std::isnan(first_value_) ? "NaN" : fmt::format("{}", first_value_);
  const std::string text = fmt::format(
      "{} must be finite, {} of the {} looked at are not: the first is {} at index {} "
      "of {} {} (are the weights or the input damaged?)",
      what_, not_finite_, values_, first, first_index_, place_, first_row_);
  if (!allowed) throw Found(text);
  fmt::print(stderr, "slipstream: {}\n", text);
}

}  // namespace slipstream::cli
