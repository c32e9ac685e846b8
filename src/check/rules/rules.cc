#include "check/rules/rules.h"

#include <array>
#include <iterator>

namespace slipstream::check {
namespace {

constexpr std::array kRules = {
    &kReadBeforeWait,    &kUnorderedThreads, &kNeverWaits,         &kReadOnlyPath,
    &kCompilerMovedLoad, &kWriteBeforeWait,  &kWaitMissingInImage, &kHandOverWithoutFence,
    &kTriggerBeforeWait, &kMissingClobber,   &kGraphEdge,          &kOneWarpTriggers,
    &kSpinBeforeWait,    &kClusterExit,      &kNoOverlap,
};

}  // namespace

std::span<const RuleInfo* const> all_rules() { return kRules; }

const RuleInfo& info_of(Rule rule) { return *kRules[static_cast<size_t>(rule)]; }

void check_kernel(const KernelForms& forms, FindingList& findings) {
  for (const RuleInfo* rule : kRules) {
    if (rule->check != nullptr) rule->check(forms, findings);
  }
}

std::vector<Finding> check_source(std::string_view source, const std::string& name) {
  std::vector<Finding> findings;
  for (const RuleInfo* rule : kRules) {
    if (rule->check_source == nullptr) continue;
    std::vector<Finding> found = rule->check_source(source, name);
    std::move(found.begin(), found.end(), std::back_inserter(findings));
  }
  return findings;
}

}  // namespace slipstream::check
