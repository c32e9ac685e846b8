// The rules: each looks at one kernel, in one or all of its compiled forms, and reports findings.
#pragma once

#include <memory>
#include <vector>

#include "check/analysis/kernel_code.h"
#include "check/report/finding.h"

namespace slipstream::check {

// All compiled forms of one kernel that were found together.
struct KernelForms {
  std::vector<const KernelCode*> ptx;
  std::vector<const KernelCode*> sass;
};

// Findings with the same rule, kernel and subject are one, with several places.
class FindingList {
 public:
  // Adds `place` to the finding, which is made if there is none; the graver severity and the surer
  // certainty of the two win.
  void add(Finding finding, const Place& place, const std::string& image);
  std::vector<Finding> take();

 private:
  std::vector<Finding> findings_;
};

// Applies every rule.
void check_kernel(const KernelForms& forms, FindingList& findings);

// The rules, by what they need.
void check_accesses(const KernelCode& code, FindingList& findings);  // R1, R2, R4, R6
void check_moved_loads(const KernelCode& sass, const std::vector<const KernelCode*>& ptx,
                       FindingList& findings);                          // R5
void check_waits(const KernelForms& forms, FindingList& findings);      // R3, R7
void check_triggers(const KernelCode& code, FindingList& findings);     // R8, R9, R12, R15
void check_graph_edges(const KernelCode& code, FindingList& findings);  // R11
void check_liveness(const KernelCode& code, FindingList& findings);     // R13, R14

// Fills in what every finding about `code` has in common.
Finding new_finding(const KernelCode& code, Rule rule, Severity severity, Certainty certainty);

}  // namespace slipstream::check
