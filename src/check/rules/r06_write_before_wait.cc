#include <fmt/format.h>

#include "check/rules/early_access.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

void check_write_before_wait(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) {
    for (const EarlyAccess& access : early_accesses(*code)) {
      if (!access.is_write || !access.by_every_thread) continue;  // R1, R2
      const std::optional<Judgement> judgement = judge(*code, access);
      if (!judgement) continue;
      report_early_access(*code, access, Rule::kWriteBeforeWait, *judgement,
                          fmt::format("Writes {} before the wait, {}",
                                      code->describe(access.subject), judgement->because),
                          findings);
    }
  }
}

}  // namespace

const RuleInfo kWriteBeforeWait = {
    .rule = Rule::kWriteBeforeWait,
    .id = "R6",
    .file = "r06_write_before_wait",
    .title = "global memory is written before griddepcontrol.wait",
    .severity = "error",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
An earlier kernel that still runs may read these bytes, and gets the new value, or write them, and
its value is the one that stays. A buffer that an allocator hands out again is such a case: the
kernel that still uses the old contents need not be the one just before.
)",
    .mend = "Move the wait above the write: an earlier grid may still read or write these bytes.",
    .example = {.wrong = R"(
__global__ void count(const int* in, int* counts) {
  counts[threadIdx.x] = 0;
  cudaGridDependencySynchronize();
  __syncthreads();
  atomicAdd(&counts[in[threadIdx.x]], 1);
}
)",
                .right = R"(
__global__ void count(const int* in, int* counts) {
  cudaGridDependencySynchronize();
  counts[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&counts[in[threadIdx.x]], 1);
}
)",
                .launches = ""},
    .corpus = "inductor_166741_store_before_wait",
    .check = &check_write_before_wait,
};

}  // namespace slipstream::check
