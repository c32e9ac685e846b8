// R11: graph edges that release a kernel early, which its code does not provide for.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

bool is_harmless(Role role) { return role == Role::kConstant || role == Role::kPrivate; }

// The first access to memory that other kernels may touch.
std::optional<uint32_t> first_shared_access(const KernelCode& code) {
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (!touches_memory(instructions[i].action)) continue;
    const Subject subject = code.subject_of(i);
    if (!subject.origins.empty() && !is_harmless(code.role_of(subject))) return i;
  }
  return std::nullopt;
}

void report_edge(const KernelCode& code, const GraphEdge& edge, uint32_t access,
                 FindingList& findings) {
  const bool programmatic = edge.kind == EdgeKind::kProgrammatic;
  // Whoever makes a launch completion edge may know that the two kernels share no data.
  Finding finding =
      new_finding(code, Rule::kGraphEdge, programmatic ? Severity::kError : Severity::kWarning,
                  programmatic ? Certainty::kProven : Certainty::kDependsOnCaller);
  finding.threads = "every thread";
  finding.subject = fmt::format("the edge from {}", edge.from);
  finding.message =
      programmatic
          ? fmt::format(
                "Has a programmatic edge from {} in a graph and never waits: nothing orders "
                "its accesses behind that kernel",
                edge.from)
          : fmt::format(
                "Has a launch completion edge from {} in a graph, which no wait covers: "
                "right only if the two touch no common memory",
                edge.from);
  findings.add(std::move(finding), code.place_of(access), code.image());
}

}  // namespace

void check_graph_edges(const KernelCode& code, FindingList& findings) {
  if (code.edges().empty()) return;
  const std::optional<uint32_t> access = first_shared_access(code);
  if (!access) return;
  for (const GraphEdge& edge : code.edges()) {
    const bool covered = edge.kind == EdgeKind::kProgrammatic && code.ordering().has_wait;
    if (!covered) report_edge(code, edge, *access, findings);
  }
}

}  // namespace slipstream::check
