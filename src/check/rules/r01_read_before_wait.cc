#include <fmt/format.h>

#include "check/rules/early_access.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

void check_read_before_wait(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) {
    for (const EarlyAccess& access : early_accesses(*code)) {
      if (access.is_write || !access.by_every_thread) continue;  // R6, R2
      const std::optional<Judgement> judgement = judge(*code, access);
      if (!judgement) continue;
      report_early_access(*code, access, Rule::kReadBeforeWait, *judgement,
                          fmt::format("Reads {} before the wait, {}",
                                      code->describe(access.subject), judgement->because),
                          findings);
    }
  }
}

}  // namespace

const RuleInfo kReadBeforeWait = {
    .rule = Rule::kReadBeforeWait,
    .id = "R1",
    .file = "r01_read_before_wait",
    .title = "global memory is read before griddepcontrol.wait",
    .severity = "warning; error if the kernel writes there too or the pointer's type is not const",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
A kernel that is launched with the PDL attribute may start while the kernels before it still run.
Until it has waited, it may read what its memory held before they wrote it.

No kernel has to trigger for this: a grid that ends releases the next one before its writes are
flushed. For device memory an H200 was not seen to get that wrong, for host memory it was (256 of
300 runs).

Memory that no kernel of the chain writes, such as weights, may be read early, and that is the point
of PDL. A binary does not say what a pointer holds, so say it in a launches file.
)",
    .mend =
        "Move the wait above the read, or read only memory that no kernel of the chain "
        "writes.",
    .example = {.wrong = R"(
__global__ void scale(const float* in, float* out) {
  const float value = in[threadIdx.x];
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * value;
}
)",
                .right = R"(
__global__ void scale(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = ""},
    .corpus = "cccl_5297_merge_partitions",
    .check = &check_read_before_wait,
};

}  // namespace slipstream::check
