// Findings that have one cause: a line of a template, seen in each of its instances.
#pragma once

#include <string>
#include <vector>

#include "check/findings/finding.h"

namespace slipstream::check {

struct Fold {
  std::vector<const Finding*> findings;  // the first stands for all; never empty
  bool same_lines = false;               // what they share is source lines, not just the template
};

// In the order of their first findings.
std::vector<Fold> fold(const std::vector<Finding>& findings);

// "ns::kernel" of "void ns::kernel<float, 3>(float*)".
std::string template_name(const std::string& demangled);

// A demangled name of which the template arguments are cut where they are long.
std::string short_name(const std::string& demangled);

}  // namespace slipstream::check
