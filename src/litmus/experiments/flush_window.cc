#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

// The producer never triggers: the next grid is released when its last CTA exits, before the flush
// at the end of the grid.
std::vector<Case> flush_window_cases() {
  const Script writes_late{delay(), write(1)};
  const Script writes_much{delay(), write(1, kWordsPerThread)};
  const Script reads_much{read(1, kWordsPerThread)};
  return {
      {.label = "one word, reader never waits",
       .chain = {normal(writes_late), dependent({read(1)})},
       .promise = Promise::kMay},
      {.label = "64 words to 8 lines each, reader never waits",
       .chain = {normal(writes_much), dependent(reads_much)},
       .promise = Promise::kMay},
      {.label = "64 words, other traffic, reader never waits",
       .chain = {normal(writes_much), dependent(reads_much)},
       .promise = Promise::kMay,
       .traffic = true},
      {.label = "64 words in host memory, reader never waits",
       .chain = {normal(writes_much), dependent(reads_much)},
       .promise = Promise::kMay,
       .host_memory = true},
      {.label = "64 words, other traffic, reader waits",
       .chain = {normal(writes_much), dependent({wait(), read(1, kWordsPerThread)})},
       .promise = Promise::kNever,
       .traffic = true},
      {.label = "64 words in host memory, reader waits",
       .chain = {normal(writes_much), dependent({wait(), read(1, kWordsPerThread)})},
       .promise = Promise::kNever,
       .host_memory = true},
  };
}

}  // namespace

Experiment flush_window_experiment() {
  return {.name = "flush-window",
          .question = "Without any trigger, may the next grid see memory before the flush?",
          .looked_for = kOldValue,
          .run = run_cases(flush_window_cases)};
}

}  // namespace slipstream::litmus
