#include <fmt/format.h>

#include <algorithm>

#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

constexpr unsigned kGrids = 48;

// Grid i puts its starts into slot 2 i and its ends into slot 2 i + 1.
Chain chain_of_grids(size_t shared_bytes, unsigned blocks) {
  Chain chain;
  for (unsigned i = 0; i < kGrids; ++i) {
    Kernel kernel = dependent({stamp(2 * i), trigger(), wait(), stamp(2 * i + 1)});
    if (i == 0) kernel = normal({stamp(0), trigger(), delay(1000), stamp(1)});
    kernel.blocks = blocks;
    kernel.shared_bytes = shared_bytes;
    chain.emplace_back(kernel);
  }
  return chain;
}

// How many grids had started, in part or whole, when the first CTA of the first one ended.
unsigned started_during_the_first(const Slots& slots) {
  unsigned count = 0;
  while (count < kGrids && slots[size_t{2} * count].first_stamp < slots[1].first_stamp) ++count;
  return count;
}

Fact overlap(Rig& rig, const std::string& label, size_t shared_bytes, unsigned blocks, Mode mode) {
  unsigned least = kGrids;
  unsigned most = 0;
  rig.repeat(chain_of_grids(shared_bytes, blocks), {.mode = mode}, [&](const Slots& slots) {
    least = std::min(least, started_during_the_first(slots));
    most = std::max(most, started_during_the_first(slots));
  });
  return {.label = fmt::format("{} ({})", label, mode == Mode::kStream ? "stream" : "graph"),
          .text = fmt::format("{} to {} of {} grids had started when the first began to end", least,
                              most, kGrids)};
}

Findings run_residency(Rig& rig) {
  Findings findings;
  const unsigned all = rig.multiprocessors();
  for (const Mode mode : {Mode::kStream, Mode::kGraph}) {
    for (const unsigned kilobytes : {0U, 48U, 96U, 112U, 160U}) {
      findings.facts.push_back(
          overlap(rig, fmt::format("one CTA per SM, {} KB of shared memory each", kilobytes),
                  size_t{kilobytes} * 1024, all, mode));
    }
    findings.facts.push_back(overlap(rig, "eight CTAs of 256 threads per SM", 0, all * 8, mode));
    findings.facts.push_back(overlap(rig, "two CTAs in all", 0, 2, mode));
  }
  return findings;
}

}  // namespace

Experiment residency_experiment() {
  return {.name = "residency",
          .question = "How many grids of a chain, each triggering at once, are there at a time?",
          .looked_for = "",
          .run = run_residency};
}

}  // namespace slipstream::litmus
