#include <fmt/format.h>

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
                "its accesses after that kernel",
                edge.from)
          : fmt::format(
                "Has a launch completion edge from {} in a graph, which no wait covers: "
                "right only if the two touch no common memory",
                edge.from);
  findings.add(std::move(finding), code.place_of(access), code.image());
}

void check_graph_edge(const KernelCode& code, FindingList& findings) {
  if (code.edges().empty()) return;
  const std::optional<uint32_t> access = first_shared_access(code);
  if (!access) return;
  for (const GraphEdge& edge : code.edges()) {
    const bool covered = edge.kind == EdgeKind::kProgrammatic && code.ordering().has_wait;
    if (!covered) report_edge(code, edge, *access, findings);
  }
}

void check_graph_edge(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.all()) check_graph_edge(*code, findings);
}

}  // namespace

const RuleInfo kGraphEdge = {
    .rule = Rule::kGraphEdge,
    .id = "R11",
    .file = "r11_graph_edge",
    .title = "a graph edge releases a kernel early that no wait orders",
    .severity =
        "needs `edges`: error for a programmatic edge, warning for a launch completion edge",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
In a CUDA graph the edge says how early a kernel may start. A programmatic edge releases it at the
trigger of the kernel before; then the kernel must wait. A launch completion edge releases it as
soon as the kernel before has started all its CTAs, and no wait covers that: it is right only where
the two touch no common memory.

Edges are made on the host, so a binary does not show them: `"edges"` in the launches file does.
)",
    .mend = "Use a full dependency for this edge, or a programmatic one and a wait in the kernel.",
    .example = {.wrong = R"(
__global__ void scale(const float* in, float* out) { out[threadIdx.x] = 2.0F * in[threadIdx.x]; }
)",
                .right = R"(
__global__ void scale(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = R"(
{"kernels": [], "edges": [{"from": "produce", "to": "scale", "kind": "programmatic"}]}
)"},
    .corpus = "",
    .check = &check_graph_edge,
};

}  // namespace slipstream::check
