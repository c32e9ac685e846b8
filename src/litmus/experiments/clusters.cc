#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

constexpr unsigned kCluster = 2;

Kernel clustered(Kernel kernel) {
  kernel.cluster = kCluster;
  return kernel;
}

bool second_starts_before_late_trigger(const Slots& slots) {
  return slots[1].first_stamp < slots[0].last_stamp;
}

std::vector<Case> clusters_cases() {
  const Kernel producer = clustered(normal(late_writer()));
  const auto reader = [](const Script& script) { return clustered(dependent(script)); };
  return {
      {.label = "reads before the wait",
       .chain = {producer, reader({read(1), wait()})},
       .promise = Promise::kMay},
      {.label = "waits, then reads",
       .chain = {producer, reader({wait(), read(1)})},
       .promise = Promise::kNever},
      {.label = "one CTA of each cluster waits, then a cluster barrier",
       .chain = {producer, reader({wait().in_cluster_rank(0), cluster_barrier(), read(1)})},
       .promise = Promise::kNever},
      {.label = "one CTA of each cluster waits, no barrier",
       .chain = {producer, reader({wait().in_cluster_rank(0), read(1)})},
       .promise = Promise::kMay},
      {.label = "one CTA of each cluster exits, the other waits and reads",
       .chain = {producer, reader({leave().in_cluster_rank(1), wait(), read(1)})},
       .promise = Promise::kNever},
      {.label = "one CTA of each cluster triggers late: next grid starts before that",
       .chain = {clustered(normal({trigger().in_cluster_rank(0), delay().in_cluster_rank(1),
                                   stamp(0).in_cluster_rank(1), trigger().in_cluster_rank(1)})),
                 reader({stamp(1)})},
       .promise = Promise::kNever,
       .sees = second_starts_before_late_trigger},
  };
}

}  // namespace

Experiment clusters_experiment() {
  return {.name = "clusters",
          .question = "Do the same rules hold, CTA by CTA, for clusters of two?",
          .looked_for = kOldValue,
          .run = run_cases(clusters_cases)};
}

}  // namespace slipstream::litmus
