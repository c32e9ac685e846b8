#include "check/findings/finding_list.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipstream::check {
namespace {

// The same for places that are one to the reader.
std::string key_of(const Place& place) {
  return place.file.empty() ? place.code : fmt::format("{}:{}", place.file, place.line);
}

FindingList::Key key_of(const Finding& finding) {
  return {finding.rule, finding.mangled, finding.subject};
}

}  // namespace

bool FindingList::is_new(const Finding& finding) const {
  return !numbers_.contains(key_of(finding));
}

void FindingList::add(Finding finding, const Place& place, const std::string& image) {
  const auto [entry, added] = numbers_.try_emplace(key_of(finding), findings_.size());
  if (added) {
    findings_.push_back(std::move(finding));
    places_.emplace_back();
  } else {
    Finding& earlier = findings_[entry->second];
    if (finding.severity > earlier.severity) earlier.message = finding.message;
    earlier.severity = std::max(earlier.severity, finding.severity);
    earlier.certainty = std::min(earlier.certainty, finding.certainty);
  }
  Finding& found = findings_[entry->second];
  if (places_[entry->second].insert(key_of(place)).second) found.places.push_back(place);
  if (std::find(found.images.begin(), found.images.end(), image) == found.images.end()) {
    found.images.push_back(image);
  }
}

std::vector<Finding> FindingList::take() {
  numbers_.clear();
  places_.clear();
  return std::move(findings_);
}

}  // namespace slipstream::check
