// Results of a model that are no numbers: NaN or infinite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace slipstream::cli {

class FiniteCheck {
 public:
  // `what` names the values and `place` their rows: "logits" and "token".
  FiniteCheck(std::string what, std::string place)
      : what_(std::move(what)), place_(std::move(place)) {}

  void look_at(std::span<const float> values, int64_t row);
  // Throws Found with the count and the first place, or only prints them.
  void report(bool allowed) const;

 private:
  std::string what_;
  std::string place_;
  int64_t values_ = 0;
  int64_t not_finite_ = 0;
  int64_t first_row_ = 0;
  size_t first_index_ = 0;
  float first_value_ = 0;
};

}  // namespace slipstream::cli
