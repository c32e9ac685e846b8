#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

std::vector<Case> wait_cases() {
  const Kernel producer = normal(late_writer());
  return {
      {.label = "waits, then reads",
       .chain = {producer, dependent({wait(), read(1)})},
       .promise = Promise::kNever},
      {.label = "never waits", .chain = {producer, dependent({read(1)})}, .promise = Promise::kMay},
      {.label = "reads, then waits",
       .chain = {producer, dependent({read(1), wait()})},
       .promise = Promise::kMay},
      {.label = "one warp waits, the others do not meet it",
       .chain = {producer, dependent({wait().in_warps(0, 1), read(1)})},
       .promise = Promise::kMay},
      {.label = "one warp waits, then a barrier",
       .chain = {producer, dependent({wait().in_warps(0, 1), block_barrier(), read(1)})},
       .promise = Promise::kNever},
      // Does the wait throw away what the first read left in the L1 cache?
      {.label = "reads, waits, reads the same again",
       .chain = {producer, dependent({read(1).counted_in(1), wait(), read(1)})},
       .promise = Promise::kNever},
      {.label = "reads, one warp waits, barrier, reads the same again",
       .chain = {producer, dependent({read(1).counted_in(1), wait().in_warps(0, 1), block_barrier(),
                                      read(1)})},
       .promise = Promise::kNever},
      {.label = "reads, waits, reads the same again by ld.global.nc",
       .chain = {producer, dependent({read(1).counted_in(1), wait(), read_read_only(1)})},
       .promise = Promise::kUnsaid},
      {.label = "reads by ld.global.nc, waits, reads again by ld.global.nc",
       .chain = {producer, dependent({read_read_only(1).counted_in(1), wait(), read_read_only(1)})},
       .promise = Promise::kUnsaid},
      {.label = "waits, reads by ld.global.nc",
       .chain = {producer, dependent({wait(), read_read_only(1)})},
       .promise = Promise::kUnsaid},
      {.label = "never waits, launched without the attribute",
       .chain = {producer, normal({read(1)})},
       .promise = Promise::kNever},
      {.label = "waits before it reads, but the attribute is on the producer alone",
       .chain = {normal({}), dependent(late_writer()), normal({wait(), read(1)})},
       .promise = Promise::kNever},
  };
}

}  // namespace

Experiment wait_experiment() {
  return {.name = "wait",
          .question = "Which reads of the next kernel does a wait order?",
          .looked_for = kOldValue,
          .run = run_cases(wait_cases)};
}

}  // namespace slipstream::litmus
