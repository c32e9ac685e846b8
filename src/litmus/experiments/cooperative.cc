#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

constexpr size_t kMaxOfAnSm = size_t{160} << 10;

Kernel cooperative(Kernel kernel) {
  kernel.cooperative = true;
  return kernel;
}

Findings run_cooperative(Rig& rig) {
  const Kernel producer = normal(late_writer());
  Kernel large_producer = producer;
  large_producer.blocks = rig.multiprocessors();
  large_producer.shared_bytes = kMaxOfAnSm;
  Kernel large_reader = cooperative(dependent({grid_barrier(), wait(), read(1)}));
  large_reader.blocks = rig.multiprocessors();
  large_reader.shared_bytes = kMaxOfAnSm;
  const Kernel one_block_waits =
      cooperative(dependent({wait().in_first_block(), grid_barrier(), read(1)}));
  return observe(
      rig, {{.label = "waits, then reads",
             .chain = {producer, cooperative(dependent({wait(), read(1)}))},
             .promise = Promise::kNever},
            {.label = "reads before the wait",
             .chain = {producer, cooperative(dependent({read(1), wait()}))},
             .promise = Promise::kMay},
            {.label = "grid barrier, reads, waits",
             .chain = {producer, cooperative(dependent({grid_barrier(), read(1), wait()}))},
             .promise = Promise::kMay},
            {.label = "one CTA waits, then a grid barrier",
             .chain = {producer, one_block_waits},
             .promise = Promise::kNever},
            {.label = "fills the GPU that its producer still fills; grid barrier, waits, reads",
             .chain = {large_producer, large_reader},
             .promise = Promise::kNever}});
}

}  // namespace

Experiment cooperative_experiment() {
  return {.name = "cooperative",
          .question = "Does a cooperative launch take the attribute, and start early?",
          .looked_for = kOldValue,
          .run = run_cooperative};
}

}  // namespace slipstream::litmus
