#include <fmt/format.h>

#include "litmus/experiments/all.h"
#include "pdl/device.h"
#include "slipstream/error.h"

namespace slipstream::litmus {
namespace {

Kernel in_remote_domain(Kernel kernel) {
  kernel.remote_domain = true;
  return kernel;
}

Fact domains() {
  int count = 0;
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMemSyncDomainCount, pdl::current_device()),
             "number of memory synchronization domains");
  return {.label = "memory synchronization domains", .text = fmt::format("{}", count)};
}

// The producer writes, publishes, triggers and goes on; the next grid reads without a wait.
Findings run_hand_off(Rig& rig) {
  // As many CTAs as possible, to have many stores on their way.
  const auto grid = [&](Kernel kernel) {
    kernel.blocks = rig.resources().data_blocks;
    return kernel;
  };
  const Step much = write(1, kWordsPerThread);
  const Kernel reader = grid(dependent({read(1, kWordsPerThread), wait()}));
  const Kernel fenced =
      grid(normal({wait(), much, fence_gpu(), block_barrier(), trigger(), delay()}));
  const Kernel fenced_for_system =
      grid(normal({wait(), much, fence_system(), block_barrier(), trigger(), delay()}));
  const Kernel not_fenced = grid(normal({wait(), much, block_barrier(), trigger(), delay()}));
  const Kernel no_barrier =
      grid(normal({wait(), trigger().in_warps(0, 1), delay(), much, fence_gpu()}));
  const std::vector<Case> cases{
      {.label = "fence.gpu, barrier, trigger",
       .chain = {fenced, reader},
       .promise = Promise::kNever},
      {.label = "fence.gpu, barrier, trigger; other traffic",
       .chain = {fenced, reader},
       .promise = Promise::kNever,
       .traffic = true},
      {.label = "fence.sys, barrier, trigger",
       .chain = {fenced_for_system, reader},
       .promise = Promise::kNever},
      {.label = "fence.gpu, barrier, trigger; reader in the other memory domain",
       .chain = {fenced, in_remote_domain(reader)},
       .promise = Promise::kMay},
      {.label = "fence.gpu, barrier, trigger; reader in the other memory domain; other traffic",
       .chain = {fenced, in_remote_domain(reader)},
       .promise = Promise::kMay,
       .traffic = true},
      {.label = "fence.gpu, barrier, trigger; writer in the other memory domain; other traffic",
       .chain = {in_remote_domain(fenced), reader},
       .promise = Promise::kMay,
       .traffic = true},
      {.label = "fence.sys, barrier, trigger; reader in the other memory domain; other traffic",
       .chain = {fenced_for_system, in_remote_domain(reader)},
       .promise = Promise::kNever,
       .traffic = true},
      {.label = "no fence: barrier, trigger",
       .chain = {not_fenced, reader},
       .promise = Promise::kMay},
      {.label = "no fence: barrier, trigger; other traffic",
       .chain = {not_fenced, reader},
       .promise = Promise::kMay,
       .traffic = true},
      {.label = "no fence: barrier, trigger; data in host memory",
       .chain = {not_fenced, reader},
       .promise = Promise::kMay,
       .host_memory = true},
      {.label = "one warp triggers before the others have written",
       .chain = {no_barrier, reader},
       .promise = Promise::kMay},
  };
  Findings findings = observe(rig, cases);
  findings.facts.push_back(domains());
  return findings;
}

}  // namespace

Experiment hand_off_experiment() {
  return {.name = "hand-off",
          .question = "Does a fence before the trigger publish to reads before the wait?",
          .looked_for = kOldValue,
          .run = run_hand_off};
}

}  // namespace slipstream::litmus
