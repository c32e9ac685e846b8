// Kernels written as PTX, for tests of the checker.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "check/checker.h"
#include "check/rules/rules.h"

namespace slipstream::check {

// A kernel `k` with pointers a and b, a number n, and `body`. Registers: %rd1 = a, %rd2 = b,
// %r1 = n, %r2 = tid.x; %p, %r and %rd up to 31 are free.
inline std::string ptx_kernel(const std::string& body, const std::string& directives = "") {
  return fmt::format(R"(.version 8.8
.target sm_90a
.address_size 64
.visible .entry k(.param .u64 a, .param .u64 b, .param .u32 n) {}
{{
  .reg .pred %p<32>;
  .reg .b32 %r<32>;
  .reg .b64 %rd<32>;
  .shared .align 8 .b8 barriers[64];
  .shared .align 8 .b8 tile[4096];
  ld.param.u64 %rd1, [a];
  ld.param.u64 %rd2, [b];
  ld.param.u32 %r1, [n];
  mov.u32 %r2, %tid.x;
{}
  ret;
}}
)",
                     directives, body);
}

inline Report check_kernel_text(const std::string& body, const std::string& launches = "",
                                const std::string& directives = "") {
  const Launches known = launches.empty() ? Launches{} : parse_launches(launches, "launches");
  Report report = check_image(ptx_kernel(body, directives), "k.ptx", known);
  for (const Problem& problem : report.problems) ADD_FAILURE() << problem.file << problem.what;
  return report;
}

// "error R1" for each finding, notes included.
inline std::multiset<std::string> verdicts(const Report& report) {
  std::multiset<std::string> result;
  for (const Finding& finding : report.findings) {
    result.insert(fmt::format("{} {}", name_of(finding.severity), info_of(finding.rule).id));
  }
  return result;
}

using Verdicts = std::multiset<std::string>;

inline const Finding* find(const Report& report, Rule rule) {
  for (const Finding& finding : report.findings) {
    if (finding.rule == rule) return &finding;
  }
  return nullptr;
}

}  // namespace slipstream::check
