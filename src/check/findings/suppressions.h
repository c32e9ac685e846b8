// Comments in CUDA sources that allow a finding.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "check/findings/finding.h"
#include "check/findings/source_roots.h"

namespace slipstream::check {

// Reads the sources that findings point to, as far as they can be read, and fills in
// Finding::allowed. A suppression is a comment on the finding's line, on a line where that code was
// inlined, or on the line above either:
//   // slipstream-check: allow R1: the table is written once, at start-up
//   // slipstream-check: allow R1 R6: both rules, for one reason
//
// A binary names the sources of its code, whatever they are, and so could bring comments of its own:
// only sources under the roots are opened.
class Suppressions {
 public:
  explicit Suppressions(SourceRoots roots) : roots_(std::move(roots)) {}

  // A source that has been read already, as one that is checked itself.
  void know(const std::string& file, const std::string& text);
  void apply(Finding& finding);
  // The reason given at a line, or the one above, for allowing the rule; empty if none.
  std::string reason_at(const std::string& file, uint32_t place_line, std::string_view rule);

 private:
  const std::vector<std::string>& lines_of(const std::string& file);
  std::string reason_at(const Place& place, std::string_view rule);

  SourceRoots roots_;
  std::unordered_map<std::string, std::vector<std::string>> files_;
};

}  // namespace slipstream::check
