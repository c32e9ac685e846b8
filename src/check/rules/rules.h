// The table of the rules. A new rule is a line here, one in rules.cc, one in the enumeration Rule,
// and a file of its own.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "check/rules/rule.h"

namespace slipstream::check {

extern const RuleInfo kReadBeforeWait;
extern const RuleInfo kUnorderedThreads;
extern const RuleInfo kNeverWaits;
extern const RuleInfo kReadOnlyPath;
extern const RuleInfo kCompilerMovedLoad;
extern const RuleInfo kWriteBeforeWait;
extern const RuleInfo kWaitMissingInImage;
extern const RuleInfo kHandOverWithoutFence;
extern const RuleInfo kTriggerBeforeWait;
extern const RuleInfo kMissingClobber;
extern const RuleInfo kGraphEdge;
extern const RuleInfo kOneWarpTriggers;
extern const RuleInfo kSpinBeforeWait;
extern const RuleInfo kClusterExit;
extern const RuleInfo kNoOverlap;

// In the order of their numbers.
std::span<const RuleInfo* const> all_rules();
const RuleInfo& info_of(Rule rule);

// Applies every rule about kernels, and every rule about CUDA sources.
void check_kernel(const KernelForms& forms, FindingList& findings);
// R7 for a form without a wait, of a kernel (by its mangled name) of which another form waits.
void report_compiled_out(const std::string& kernel, const BareForm& form, FindingList& findings);
std::vector<Finding> check_source(std::string_view source, const std::string& name);

}  // namespace slipstream::check
