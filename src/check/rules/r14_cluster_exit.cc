#include <fmt/format.h>

#include <algorithm>

#include "check/rules/forward_search.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// An exit that a thread may reach after a remote access without a cluster barrier, or kNone.
uint32_t exit_without_barrier(const KernelCode& code, uint32_t access) {
  const auto& instructions = code.function().instructions;
  uint32_t exit = kNone;
  ForwardSearch(code).run(
      access,
      [&](uint32_t i) {
        return instructions[i].action == Action::kClusterWait || !code.is_reached(i);
      },
      [&](uint32_t i) {
        if (instructions[i].action == Action::kExit) exit = i;
        return exit != kNone;
      });
  return exit;
}

bool waits_on_mbarriers(const KernelCode& code) {
  const auto& instructions = code.function().instructions;
  return std::any_of(instructions.begin(), instructions.end(),
                     [](const Instruction& one) { return one.action == Action::kMbarrierWait; });
}

void check_cluster_exit(const KernelCode& code, FindingList& findings) {
  const auto& instructions = code.function().instructions;
  // What an mbarrier of the receiver counts, the receiver waits for, and stays until then.
  const bool receivers_wait = waits_on_mbarriers(code);
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kRemoteShared) continue;
    if (instructions[i].synchronizing && receivers_wait) continue;
    const uint32_t exit = exit_without_barrier(code, i);
    if (exit == kNone) continue;
    Finding finding = new_finding(code, Rule::kClusterExit, Severity::kWarning, Certainty::kLikely);
    finding.threads = "every thread";
    finding.message = fmt::format(
        "Touches another CTA's shared memory and may exit (at {}) without a cluster barrier after "
        "it: the CTA whose memory it is may be gone",
        code.place_of(exit).text());
    findings.add(std::move(finding), code.place_of(i), code.image());
  }
}

void check_cluster_exit(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) check_cluster_exit(*code, findings);
}

}  // namespace

const RuleInfo kClusterExit = {
    .rule = Rule::kClusterExit,
    .id = "R14",
    .file = "r14_cluster_exit",
    .title = "a CTA may exit while its cluster still uses its shared memory",
    .severity = "warning",
    .in_ptx = "accesses to `.shared::cluster` only",
    .in_sass = "bulk copies and `st.async` only",
    .reason = R"(
Shared memory lives as long as its CTA. A CTA that has written to a peer, or read from one, must
know that the peer is still there; a cluster barrier after the last such access is how it knows.
What an mbarrier counts, its owner waits for, so a kernel that waits on mbarriers may copy to a peer
and leave. This concerns every kernel with clusters, with PDL or without.

Accesses are recognized in PTX by the state space `.shared::cluster`. A generic store to an address
that `cluster.map_shared_rank()` returned looks like any other store, and is missed.
)",
    .mend = "End every path with a cluster barrier after the last remote access.",
    .example = {.wrong = R"(
__global__ void __cluster_dims__(2) exchange(float* out) {
  __shared__ float received;
  unsigned peer = static_cast<unsigned>(__cvta_generic_to_shared(&received));
  asm("mapa.shared::cluster.u32 %0, %0, %1;" : "+r"(peer) : "r"(1U - blockIdx.x % 2U));
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(peer), "f"(out[blockIdx.x]) : "memory");
}
)",
                .right = R"(
__global__ void __cluster_dims__(2) exchange(float* out) {
  __shared__ float received;
  unsigned peer = static_cast<unsigned>(__cvta_generic_to_shared(&received));
  asm("mapa.shared::cluster.u32 %0, %0, %1;" : "+r"(peer) : "r"(1U - blockIdx.x % 2U));
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(peer), "f"(out[blockIdx.x]) : "memory");
  __cluster_barrier_arrive();
  __cluster_barrier_wait();
}
)",
                .launches = ""},
    .corpus = "sglang_32954_cluster_exit",
    .check = &check_cluster_exit,
};

}  // namespace slipstream::check
