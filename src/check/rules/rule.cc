#include "check/rules/rule.h"

namespace slipstream::check {

std::vector<const KernelCode*> KernelForms::all() const {
  std::vector<const KernelCode*> result = ptx;
  result.insert(result.end(), sass.begin(), sass.end());
  return result;
}

Finding new_finding(const KernelCode& code, Rule rule, Severity severity, Certainty certainty) {
  Finding finding;
  finding.rule = rule;
  finding.severity = severity;
  finding.certainty = certainty;
  finding.kernel = code.demangled();
  finding.mangled = code.function().name;
  return finding;
}

}  // namespace slipstream::check
