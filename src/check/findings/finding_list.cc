#include "check/findings/finding_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

void FindingList::add_all(FindingList other) {
  for (Finding& finding : other.take()) {
    const std::vector<Place> places = std::exchange(finding.places, {});
    const std::vector<std::string> images = std::exchange(finding.images, {});
    // One of the two repeats what is there already.
    for (const Place& place : places) add(finding, place, images.front());
    for (const std::string& image : images) add(finding, places.front(), image);
  }
}

std::vector<Finding> FindingList::take() {
  numbers_.clear();
  places_.clear();
  return std::move(findings_);
}

}  // namespace slipstream::check
