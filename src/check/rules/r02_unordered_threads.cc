#include <fmt/format.h>

#include "check/rules/early_access.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

void check_unordered_threads(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) {
    for (const EarlyAccess& access : early_accesses(*code)) {
      if (access.by_every_thread) continue;  // R1, R6
      const std::optional<Judgement> judgement = judge(*code, access);
      if (!judgement) continue;
      const RoleSet& threads = code->ordering().before[access.instruction];
      report_early_access(
          *code, access, Rule::kUnorderedThreads, *judgement,
          fmt::format("{} {} in threads that neither waited nor met one that did ({}), {}",
                      access.is_write ? "Writes" : "Reads", code->describe(access.subject),
                      code->ordering().describe(threads), judgement->because),
          findings);
    }
  }
}

}  // namespace

const RuleInfo kUnorderedThreads = {
    .rule = Rule::kUnorderedThreads,
    .id = "R2",
    .file = "r02_unordered_threads",
    .title = "some threads touch global memory without having waited, or met a thread that has",
    .severity = "as R1 for a read, as R6 for a write",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
The wait orders the thread that executes it, and nobody else. A thread that does not wait itself is
ordered once it has passed a barrier at which a thread arrives that has waited: `__syncthreads()`, a
named barrier, a cluster barrier or an mbarrier.

The public cases are kernels with a warp for each role: one loading warp waits, and another one,
which loads something else, does not.
)",
    .mend =
        "Let every warp role wait itself, or put a barrier between the wait and these "
        "accesses.",
    .example = {.wrong = R"(
__global__ void __launch_bounds__(64) scale(const float* in, float* out) {
  if (threadIdx.x < 32) cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .right = R"(
__global__ void __launch_bounds__(64) scale(const float* in, float* out) {
  if (threadIdx.x < 32) cudaGridDependencySynchronize();
  __syncthreads();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = ""},
    .corpus = "cutlass_3279_scale_factor_warp",
    .check = &check_unordered_threads,
};

}  // namespace slipstream::check
