#include "check/report/finding.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>

namespace slipstream::check {

const std::vector<RuleInfo>& all_rules() {
  static const std::vector<RuleInfo> kRules = {
      {Rule::kReadBeforeWait, "R1", "global memory is read before griddepcontrol.wait",
       "Move the wait above the read, or read only memory that no kernel of the chain writes."},
      {Rule::kUnorderedThreads, "R2",
       "some threads touch global memory without having waited, or met a thread that has",
       "Let every warp role wait itself, or put a barrier between the wait and these accesses."},
      {Rule::kNeverWaits, "R3", "a grid may complete without any thread having waited",
       "Wait on every path, or launch the kernel without the PDL attribute: what follows it is "
       "otherwise not ordered behind what precedes it."},
      {Rule::kReadOnlyPath, "R4", "memory that may be produced is read through the read-only path",
       "Drop const __restrict__, __ldg or ld.global.nc: the compilers move such reads over the "
       "wait and reuse values read before it."},
      {Rule::kCompilerMovedLoad, "R5", "the compiler moved a read above the wait or its barrier",
       "Drop const __restrict__ or __ldg from the pointer; plain loads stay below the wait."},
      {Rule::kWriteBeforeWait, "R6", "global memory is written before griddepcontrol.wait",
       "Move the wait above the write: an earlier grid may still read or write these bytes."},
      {Rule::kWaitMissingInImage, "R7",
       "a kernel that is launched with the PDL attribute has no wait in it",
       "Add the wait, compile it in for this architecture, or launch without the attribute."},
      {Rule::kHandOverWithoutFence, "R8", "memory is handed over before the grid ends, unfenced",
       "Put __threadfence() between the last write and the trigger, in every thread that writes, "
       "or let the consumer wait before it reads."},
      {Rule::kTriggerBeforeWait, "R9", "a trigger is reachable before the wait",
       "Trigger after the wait, unless every later kernel reads only constants before its own."},
      {Rule::kMissingClobber, "R10", "inline assembly of the wait has no \"memory\" clobber",
       "Write asm volatile(\"griddepcontrol.wait;\" ::: \"memory\"), or call "
       "cudaGridDependencySynchronize()."},
      {Rule::kGraphEdge, "R11", "a graph edge releases a kernel early that no wait orders",
       "Use a full dependency for this edge, or a programmatic one and a wait in the kernel."},
      {Rule::kOneWarpTriggers, "R12", "one warp triggers while others still write handed-over data",
       "Put a barrier in front of the trigger."},
      {Rule::kSpinBeforeWait, "R13", "the kernel spins on memory before its wait",
       "Wait first: while it spins it may hold the multiprocessors that the other side needs."},
      {Rule::kClusterExit, "R14", "a CTA may exit while its cluster still uses its shared memory",
       "End every path with a cluster barrier behind the last remote access."},
      {Rule::kNoOverlap, "R15", "the kernel waits at once and never triggers",
       "Trigger, or do work that depends on nothing before the wait; otherwise only launch latency "
       "is saved."},
  };
  return kRules;
}

const RuleInfo& info_of(Rule rule) { return all_rules()[static_cast<size_t>(rule)]; }

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      break;
  }
  return "error";
}

std::string_view name_of(Certainty certainty) {
  switch (certainty) {
    case Certainty::kProven:
      return "proven";
    case Certainty::kLikely:
      return "likely";
    case Certainty::kDependsOnCaller:
      break;
  }
  return "depends on the caller";
}

std::string Place::text() const { return file.empty() ? code : fmt::format("{}:{}", file, line); }

std::string demangle(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 && text != nullptr ? text.get() : name;
}

}  // namespace slipstream::check
