#include "bench/team_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipstream::bench {
namespace {

// Of the launches of one stage, on average.
struct StageSkew {
  std::string name;
  double launches = 0;
  LaunchSkew sum;
};

std::vector<StageSkew> skew_by_stage(const StepResult& step) {
  std::vector<StageSkew> stages;
  for (size_t i = 0; i < step.launches.size(); ++i) {
    const std::string& name = step.launches[i].title;
    auto stage = std::ranges::find(stages, name, &StageSkew::name);
    if (stage == stages.end()) stage = stages.insert(stages.end(), {.name = name, .sum = {}});
    ++stage->launches;
    stage->sum.start += step.team->skew[i].start;
    stage->sum.end += step.team->skew[i].end;
  }
  return stages;
}

double gigabytes(int64_t bytes) { return static_cast<double>(bytes) * 1e-9; }

}  // namespace

StepResult as_slowest(const StepResult& step) {
  StepResult result = step;
  result.traced_on = step.team->ranks[step.team->slowest()].launches;
  return result;
}

void print_team(const StepResult& step) {
  if (!step.team) return;
  fmt::print(
      "\nBatch {}, context {}: ranks next to each other, with PDL. Times of other ranks are "
      "brought "
      "to rank 0's clock by calls back and forth and are right to {:.2f} us at worst. Skew: from "
      "the "
      "first to the last rank's start (return from the wait) or end of the same launch, "
      "microseconds.\n\n| stage | launches | skew of starts | of ends |\n|---|---|---|---|\n",
      step.shape.batch, step.shape.context, step.team->clock_error);
  for (const StageSkew& stage : skew_by_stage(step)) {
    fmt::print("| {} | {} | {:.2f} | {:.2f} |\n", stage.name, stage.launches,
               stage.sum.start / stage.launches, stage.sum.end / stage.launches);
  }
  fmt::print("\nLate after the first rank at the end of a launch, on average:");
  for (size_t rank = 0; rank < step.team->ranks.size(); ++rank) {
    fmt::print("{} rank {} {:.2f} us", rank == 0 ? "" : ",", rank, step.team->ranks[rank].lateness);
  }
  fmt::print(". The slowest one, rank {}:\n", step.team->slowest());
}

void print_memory(const StepResult& step) {
  fmt::print(
      "\nBatch {}, context {}: device memory in GB.\n\n"
      "| GPU | weights | caches | workspace | window | all others |\n|---|---|---|---|---|---|\n",
      step.shape.batch, step.shape.context);
  for (const RankMemory& rank : step.memory) {
    fmt::print("| {} | {:.3f} | {:.3f} | {:.3f} | {:.3f} | {:.3f} |\n", rank.device,
               gigabytes(rank.weights), gigabytes(rank.caches), gigabytes(rank.workspace),
               gigabytes(rank.window), gigabytes(rank.others));
  }
}

io::Json team_json(const StepResult& step, const io::Json& stages) {
  io::Json skew = io::Json::array();
  for (const StageSkew& stage : skew_by_stage(step)) {
    skew.push_back({{"stage", stage.name},
                    {"launches", stage.launches},
                    {"start_us", stage.sum.start},
                    {"end_us", stage.sum.end}});
  }
  io::Json lateness = io::Json::array();
  for (const RankTimes& rank : step.team->ranks) lateness.push_back(rank.lateness);
  return {{"clock_error_us", step.team->clock_error},
          {"lateness_us", lateness},
          {"skew", skew},
          {"slowest_rank", step.team->slowest()},
          {"slowest_stages", stages}};
}

io::Json memory_json(const StepResult& step) {
  io::Json memory = io::Json::array();
  for (const RankMemory& rank : step.memory) {
    memory.push_back({{"gpu", rank.device},
                      {"weight_bytes", rank.weights},
                      {"cache_bytes", rank.caches},
                      {"workspace_bytes", rank.workspace},
                      {"window_bytes", rank.window},
                      {"other_bytes", rank.others}});
  }
  return memory;
}

}  // namespace slipstream::bench
