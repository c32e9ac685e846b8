// What a rule of the static check is made of. Each rule is one file, r01_*.cc to r15_*.cc, which
// holds all there is to say about it: its number and name, how grave it is and why, an example, and
// the code that finds it. docs/rules is printed from these files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "check/analysis/kernel_code.h"
#include "check/findings/finding.h"
#include "check/findings/finding_list.h"

namespace slipstream::check {

// All compiled forms of one kernel that were found together.
struct KernelForms {
  std::vector<const KernelCode*> ptx;
  std::vector<const KernelCode*> sass;
  bool another_waits = false;  // a form that is not among these, as it was judged already

  // The forms that most rules judge: PTX, which is what the source says, or SASS where there is no
  // PTX.
  [[nodiscard]] const std::vector<const KernelCode*>& judged() const {
    return ptx.empty() ? sass : ptx;
  }
  // All, PTX first.
  [[nodiscard]] std::vector<const KernelCode*> all() const;
};

// A compiled form that neither waits nor triggers, of which nobody said that it is launched with the
// attribute: no rule concerns it, unless another form of the same kernel waits (R7).
struct BareForm {
  std::string image;
  uint32_t architecture = 0;
  Place place;  // of its first access
};

// Two versions of a CUDA source. A test compiles both and demands that the rule reports the first,
// and that no rule reports more than a note about the second.
struct Example {
  std::string_view wrong;
  std::string_view right;
  std::string_view launches;  // the launches file that goes with both, or empty
};

using KernelCheck = void (*)(const KernelForms& forms, FindingList& findings);
// `name` stands for the file.
using SourceCheck = std::vector<Finding> (*)(std::string_view source, const std::string& name);

struct RuleInfo {
  Rule rule;
  std::string_view id;     // "R5"
  std::string_view file;   // "r05_moved_read": where it stands, in this folder
  std::string_view title;  // what is wrong, in general
  // How grave a finding is where no launches file says what the pointers hold.
  std::string_view severity;
  // Where the rule looks: "yes", or what it needs.
  std::string_view in_ptx;
  std::string_view in_sass;
  std::string_view reason;  // why it is wrong; paragraphs are separated by empty lines
  std::string_view mend;    // how to put it right
  Example example;
  std::string_view corpus;  // a public case: a program in tests/check/corpus/bugs, or empty
  // What finds it: one of these.
  KernelCheck check = nullptr;
  SourceCheck check_source = nullptr;
};

// Fills in what every finding about `code` has in common.
Finding new_finding(const KernelCode& code, Rule rule, Severity severity, Certainty certainty);

}  // namespace slipstream::check
