#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

// A grid of several waves of CTAs. Each CTA counts itself, publishes the count by a fence, and
// triggers at once; the next grid looks how many CTAs have done so.
std::vector<Case> cases_for(unsigned waves, unsigned blocks, const Script& sampler,
                            const std::string& how) {
  Kernel first = normal({arrive(0), fence_gpu(), block_barrier(), trigger(), delay(20)});
  first.blocks = blocks * waves;
  const Kernel second = dependent(sampler);
  const auto started_too_early = [count = first.blocks](const Slots& slots) {
    return slots[0].fewest_arrivals < count;
  };
  return {{.label = std::to_string(waves) + " waves" + how,
           .chain = {first, second},
           .promise = Promise::kNever,
           .sees = started_too_early}};
}

Findings run_waves(Rig& rig) {
  const unsigned blocks_of_a_wave = rig.multiprocessors() * 8;
  std::vector<Case> cases;
  for (const unsigned waves : {1U, 2U, 20U}) {
    for (auto& test : cases_for(waves, blocks_of_a_wave, {sample_arrivals(0)}, "")) {
      cases.push_back(std::move(test));
    }
  }
  for (auto& test : cases_for(5, blocks_of_a_wave, {sample_arrivals(0), wait()}, ", next waits")) {
    cases.push_back(std::move(test));
  }
  return observe(rig, cases);
}

}  // namespace

Experiment waves_experiment() {
  return {.name = "waves",
          .question = "Must every CTA have begun and triggered before the next grid starts?",
          .looked_for = "a CTA of the next grid started while CTAs of the first had not triggered",
          .run = run_waves};
}

}  // namespace slipstream::litmus
