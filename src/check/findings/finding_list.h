// Findings as they are collected: those with the same rule, kernel and subject are one, with
// several places.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "check/findings/finding.h"

namespace slipstream::check {

class FindingList {
 public:
  // Adds `place` to the finding, which is made if there is none; the graver severity and the surer
  // certainty of the two win.
  void add(Finding finding, const Place& place, const std::string& image);
  // Whether there is none like it yet: what is costly to tell about it is worth the work only then.
  [[nodiscard]] bool is_new(const Finding& finding) const;
  // Adds all of another list, in its order.
  void add_all(FindingList other);
  std::vector<Finding> take();

  // What makes findings one: rule, mangled name and subject.
  using Key = std::tuple<Rule, std::string, std::string>;

 private:
  std::vector<Finding> findings_;
  std::vector<std::set<std::string>> places_;  // of each, as keys
  std::map<Key, size_t> numbers_;
};

}  // namespace slipstream::check
