#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

std::vector<Case> overwrite_cases() {
  const Kernel late_reader = normal({wait(), trigger(), delay(), read(0)});
  const Kernel check = normal({read(2)});
  return {
      {.label = "write after read: overwrites before its wait",
       .chain = {late_reader, dependent({write(1), wait()})},
       .promise = Promise::kMay},
      {.label = "write after read: overwrites after its wait",
       .chain = {late_reader, dependent({wait(), write(1)})},
       .promise = Promise::kNever},
      {.label = "write after read, two kernels on: overwrites before its wait",
       .chain = {late_reader, dependent({trigger(), wait()}), dependent({write(1), wait()})},
       .promise = Promise::kMay},
      {.label = "write after read, two kernels on: overwrites after its wait",
       .chain = {late_reader, dependent({trigger(), wait()}), dependent({wait(), write(1)})},
       .promise = Promise::kNever},
      {.label = "write after write: second write before its wait",
       .chain = {normal(late_writer()), dependent({write(2), wait()}), check},
       .promise = Promise::kMay},
      {.label = "write after write: second write after its wait",
       .chain = {normal(late_writer()), dependent({wait(), write(2)}), check},
       .promise = Promise::kNever},
  };
}

}  // namespace

Experiment overwrite_experiment() {
  return {.name = "overwrite",
          .question = "Do stores before the wait race as well as loads?",
          .looked_for = "a value of the wrong kernel was read",
          .run = run_cases(overwrite_cases)};
}

}  // namespace slipstream::litmus
