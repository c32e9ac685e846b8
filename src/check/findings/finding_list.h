// Findings as they are collected: those with the same rule, kernel and subject are one, with
// several places.
#pragma once

#include <string>
#include <vector>

#include "check/findings/finding.h"

namespace slipstream::check {

class FindingList {
 public:
  // Adds `place` to the finding, which is made if there is none; the graver severity and the surer
  // certainty of the two win.
  void add(Finding finding, const Place& place, const std::string& image);
  std::vector<Finding> take();

 private:
  std::vector<Finding> findings_;
};

}  // namespace slipstream::check
