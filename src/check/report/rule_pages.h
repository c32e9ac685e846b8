// The rules as pages: docs/rules is printed by these.
#pragma once

#include <string>

#include "check/rules/rules.h"

namespace slipstream::check {

// The page about one rule, and its name: "R05.md".
std::string rule_page(const RuleInfo& rule);
std::string rule_page_name(const RuleInfo& rule);
// The table of all rules.
std::string rule_index();
// A CUDA source with every example, in namespaces r05_wrong and r05_right.
std::string rule_examples();
// The namespace in which a rule's example stands.
std::string example_namespace(const RuleInfo& rule, bool right);

}  // namespace slipstream::check
