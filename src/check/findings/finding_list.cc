#include "check/findings/finding_list.h"

#include <algorithm>

namespace slipstream::check {
namespace {

bool same_place(const Place& a, const Place& b) {
  if (a.file.empty() || b.file.empty()) return a.code == b.code && a.file == b.file;
  return a.file == b.file && a.line == b.line;
}

}  // namespace

void FindingList::add(Finding finding, const Place& place, const std::string& image) {
  auto found = std::find_if(findings_.begin(), findings_.end(), [&](const Finding& one) {
    return one.rule == finding.rule && one.mangled == finding.mangled &&
           one.subject == finding.subject;
  });
  if (found == findings_.end()) {
    findings_.push_back(std::move(finding));
    found = findings_.end() - 1;
  } else {
    if (finding.severity > found->severity) found->message = finding.message;
    found->severity = std::max(found->severity, finding.severity);
    found->certainty = std::min(found->certainty, finding.certainty);
  }
  const bool known_place = std::any_of(found->places.begin(), found->places.end(),
                                       [&](const Place& one) { return same_place(one, place); });
  if (!known_place) found->places.push_back(place);
  if (std::find(found->images.begin(), found->images.end(), image) == found->images.end()) {
    found->images.push_back(image);
  }
}

std::vector<Finding> FindingList::take() { return std::move(findings_); }

}  // namespace slipstream::check
