#include "bench/decode_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "bench/device_report.h"
#include "bench/team_report.h"

namespace slipstream::bench {
namespace {

double total_bytes(const StepResult& step) {
  double bytes = 0;
  for (const MeasuredLaunch& launch : step.launches) bytes += launch.bytes;
  return bytes;
}

// Distinct ones that the rows of a layer choose, on average over the model's layers; 0 without any.
double experts_per_layer(const StepResult& step, int layers) {
  double experts = 0;
  int launches = 0;
  for (const MeasuredLaunch& launch : step.launches) {
    if (launch.experts == 0 || launch.layer >= layers) continue;
    experts += launch.experts;
    ++launches;
  }
  return launches == 0 ? 0 : experts / launches;
}

// Of the JSON: docs/engine.md. Keys may be added to it; one that changes makes another schema.
constexpr int kSchema = 1;

// Of a floor in a time; 0 where there is no time.
double share(double floor, double time) { return time > 0 ? floor / time : 0; }

std::string milliseconds(const Timing& timing) {
  return fmt::format("{:.3f} ({:.3f}..{:.3f})", timing.median * 1e-3, timing.low * 1e-3,
                     timing.high * 1e-3);
}

std::string batch_text(const StepShape& shape) {
  if (shape.drafts == 0) return std::to_string(shape.batch);
  return fmt::format("{}, {} drafts", shape.batch, shape.drafts);
}

// Tokens per second of one sequence.
double tokens_per_second(const StepResult& step, double tokens) {
  return tokens / step.pdl_on.median * 1e6;
}

void print_drafts(const DecodeReport& report) {
  fmt::print(
      "\nSteps that draft. Weights are random: tokens per step are those of the acceptance that "
      "was "
      "given, {}.\n\n"
      "| batch | context | drafts | ms | tokens per step | tokens/s of a sequence |\n"
      "|---|---|---|---|---|---|\n",
      report.acceptance.empty() ? "none" : fmt::format("{}", fmt::join(report.acceptance, ", ")));
  for (const StepResult& step : report.steps) {
    if (!step.left_out.empty()) continue;
    const auto tokens = tokens_per_step(report.acceptance, step.shape.drafts);
    fmt::print("| {} | {} | {} | {:.3f} | {} | {} |\n", step.shape.batch, step.shape.context,
               step.shape.drafts, step.pdl_on.median * 1e-3,
               tokens ? fmt::format("{:.2f}", *tokens) : "-",
               tokens ? fmt::format("{:.1f}", tokens_per_second(step, *tokens)) : "-");
  }
}

void print_steps(const DecodeReport& report) {
  fmt::print(
      "\nWhole steps in milliseconds, median (10th..90th percentile) of replays of one graph.\n\n"
      "| batch | context | launches | experts of a layer | GB | floor | no PDL | PDL | gain "
      "| share of floor |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n");
  for (const StepResult& step : report.steps) {
    if (!step.left_out.empty()) {
      fmt::print("| {} | {} | {} |\n", batch_text(step.shape), step.shape.context, step.left_out);
      continue;
    }
    const double bytes = total_bytes(step);
    const double floor = bytes / report.bandwidth * 1e6;
    fmt::print("| {} | {} | {} | {:.1f} | {:.3f} | {:.3f} | {} | {} | {:.2f} | {:.1f} % |\n",
               batch_text(step.shape), step.shape.context, step.launches.size(),
               experts_per_layer(step, report.layers), bytes * 1e-9, floor * 1e-3,
               milliseconds(step.pdl_off), milliseconds(step.pdl_on),
               step.pdl_off.median / step.pdl_on.median, 100 * share(floor, step.pdl_on.median));
  }
}

void print_stage(const StageSummary& stage, double bandwidth) {
  const double floor = stage.bytes / bandwidth * 1e6;
  const double count = stage.launches;
  fmt::print(
      "| {:<27} | {:>8} | {:>5.0f} | {:>4.0f} | {:>7.3f} | {:>6.2f} | {:>6.2f} | {:>6.2f} | "
      "{:>9.2f} | "
      "{:>6.2f} "
      "| {:>6.2f} | {:>7.1f} % | {:>8.1f} |\n",
      stage.name, stage.launches, stage.ctas / count, stage.sms / count, stage.bytes / count * 1e-6,
      floor / count, stage.pdl_off / count, stage.pdl_on / count, stage.hand_over / count,
      stage.work / count, stage.cta_work / count, 100 * share(floor, stage.pdl_on), stage.pdl_on);
}

void print_stages(const StepResult& step, double bandwidth) {
  fmt::print(
      "\nBatch {}, context {}: microseconds of a step per launch, from the end of the launch "
      "before "
      "to its own, by the device's clock. With PDL these are hand-over (to the first return from "
      "its "
      "wait) and work; \"a CTA\" is the work of one of its CTAs, on average, and \"SMs\" how many "
      "they "
      "ran on.\n\n",
      batch_text(step.shape), step.shape.context);
  fmt::print(
      "| {:<27} | launches |  CTAs |  SMs | MB each |  floor | no PDL |    PDL | hand-over |   "
      "work |  a "
      "CTA "
      "| of floor  | PDL, all |\n",
      "stage");
  fmt::print(
      "|{:-<29}|{:-<9}:|{:-<6}:|{:-<5}:|{:-<8}:|{:-<7}:|{:-<7}:|{:-<7}:|{:-<10}:|{:-<7}:|{:-<7}:|{:"
      "-<10}:|"
      "{:-<9}:|\n",
      "", "", "", "", "", "", "", "", "", "", "", "", "");
  StageSummary all;
  for (const StageSummary& stage : summarize_stages(step)) {
    print_stage(stage, bandwidth);
    all.bytes += stage.bytes;
    all.pdl_off += stage.pdl_off;
    all.pdl_on += stage.pdl_on;
  }
  const double floor = all.bytes / bandwidth * 1e6;
  fmt::print(
      "\nAll launches: {:.1f} us without PDL, {:.1f} us with ({:.1f} % of the floor of {:.1f} us). "
      "Untraced: {:.1f} us and {:.1f} us; recording times costs the difference.\n",
      all.pdl_off, all.pdl_on, 100 * share(floor, all.pdl_on), floor, step.pdl_off.median,
      step.pdl_on.median);
}

io::Json stages_json(const StepResult& step, double bandwidth) {
  io::Json stages = io::Json::array();
  for (const StageSummary& stage : summarize_stages(step)) {
    const double floor = stage.bytes / bandwidth * 1e6;
    io::Json json{{"stage", stage.name},
                  {"launches", stage.launches},
                  {"ctas", stage.ctas},
                  {"bytes", stage.bytes},
                  {"floor_us", floor}};
    if (!step.traced_on.empty()) {
      json["pdl_off_us"] = stage.pdl_off;
      json["pdl_on_us"] = stage.pdl_on;
      json["hand_over_us"] = stage.hand_over;
      json["work_us"] = stage.work;
      json["cta_work_us"] = stage.cta_work;
      json["sms"] = stage.sms;
      json["share_of_floor"] = share(floor, stage.pdl_on);
    }
    stages.push_back(json);
  }
  return stages;
}

// Launch by launch, of a traced run.
io::Json launches_json(const StepResult& step) {
  io::Json launches = io::Json::array();
  for (size_t i = 0; i < step.traced_on.size(); ++i) {
    const MeasuredLaunch& launch = step.launches[i];
    const LaunchTimes& on = step.traced_on[i];
    launches.push_back({{"layer", launch.layer},
                        {"stage", launch.title},
                        {"kernel", launch.kernel},
                        {"ctas", launch.ctas},
                        {"bytes", launch.bytes},
                        {"pdl_off_us", step.traced_off[i].exposed},
                        {"pdl_on_us", on.exposed},
                        {"hand_over_us", on.exposed - (on.end - on.wait_return)},
                        {"work_us", on.end - on.wait_return}});
  }
  return launches;
}

io::Json step_json(const DecodeReport& report, const StepResult& step) {
  const double bandwidth = report.bandwidth;
  io::Json json{{"batch", step.shape.batch},
                {"context", step.shape.context},
                {"drafts", step.shape.drafts},
                {"kv", step.shape.fp8_rows ? "fp8" : "bf16"}};
  if (!step.left_out.empty()) {
    json["left_out"] = step.left_out;
    return json;
  }
  const double bytes = total_bytes(step);
  const double floor = bytes / bandwidth * 1e6;
  json["launches"] = step.launches.size();
  json["experts_per_layer"] = experts_per_layer(step, report.layers);
  json["bytes"] = bytes;
  json["floor_us"] = floor;
  json["pdl_off"] = to_json(step.pdl_off);
  json["pdl_on"] = to_json(step.pdl_on);
  const auto tokens = tokens_per_step(report.acceptance, step.shape.drafts);
  if (tokens && !report.acceptance.empty()) {
    json["tokens_per_step_as_given"] = *tokens;
    json["tokens_per_second_as_given"] = tokens_per_second(step, *tokens);
  }
  json["pdl_gain"] = step.pdl_off.median / step.pdl_on.median;
  json["share_of_floor"] = share(floor, step.pdl_on.median);
  json["stages"] = stages_json(step, bandwidth);
  json["memory"] = memory_json(step);
  if (step.team) json["ranks"] = team_json(step, stages_json(as_slowest(step), bandwidth));
  if (!step.traced_on.empty()) json["per_launch"] = launches_json(step);
  return json;
}

const char* text_of(Others others) {
  switch (others) {
    case Others::kNone:
      break;
    case Others::kRanks:
      return "All ranks exchange, each on a GPU.";
    case Others::kPlayed:
      return "It exchanges with one GPU that plays all other ranks: their bytes, stores and polls, "
             "without "
             "their skew.";
    case Others::kEchoed:
      return "It sends to itself what all ranks would send: an exchange without a link.";
  }
  return "Communication between ranks is left out: partial sums are taken for whole ones.";
}

const char* name_of(Others others) {
  switch (others) {
    case Others::kNone:
      break;
    case Others::kRanks:
      return "all ranks";
    case Others::kPlayed:
      return "other ranks played by one GPU";
    case Others::kEchoed:
      return "itself, in place of all ranks";
  }
  return "left out";
}

}  // namespace

std::optional<double> tokens_per_step(const std::vector<double>& acceptance, int drafts) {
  if (drafts > static_cast<int>(acceptance.size())) return std::nullopt;
  return std::accumulate(acceptance.begin(), acceptance.begin() + drafts, 1.0);
}

std::vector<StageSummary> summarize_stages(const StepResult& step) {
  std::vector<StageSummary> stages;
  for (size_t i = 0; i < step.launches.size(); ++i) {
    const MeasuredLaunch& launch = step.launches[i];
    auto stage = std::find_if(stages.begin(), stages.end(),
                              [&](const StageSummary& s) { return s.name == launch.title; });
    if (stage == stages.end()) {
      stage = stages.emplace(stages.end());
      stage->name = launch.title;
    }
    ++stage->launches;
    stage->bytes += launch.bytes;
    stage->ctas += launch.ctas;
    if (step.traced_on.empty()) continue;
    stage->pdl_off += step.traced_off[i].exposed;
    const LaunchTimes& times = step.traced_on[i];
    stage->pdl_on += times.exposed;
    stage->work += times.end - times.wait_return;
    stage->cta_work += times.cta_work;
    stage->sms += times.sms;
    stage->hand_over += times.exposed - (times.end - times.wait_return);
  }
  return stages;
}

void print_report(const DecodeReport& report) {
  fmt::print("\n{}, {} of {} layers, rank 0 of {} with synthetic weights ({:.2f} GB). {}\n",
             report.model.name_or_file, report.layers, report.model_layers, report.model.tp,
             static_cast<double>(report.weight_bytes) * 1e-9, text_of(report.model.others));
  print_steps(report);
  if (report.model.drafts) print_drafts(report);
  for (const StepResult& step : report.steps) {
    if (step.left_out.empty()) print_memory(step);
    if (!step.traced_on.empty()) print_stages(step, report.bandwidth);
    if (!step.team) continue;
    print_team(step);
    print_stages(as_slowest(step), report.bandwidth);
  }
}

io::Json report_json(const DecodeReport& report) {
  io::Json json{{"schema", kSchema},
                {"device", to_json(device_report())},
                {"model", report.model.name_or_file},
                {"layers", report.layers},
                {"model_layers", report.model_layers},
                {"tp", report.model.tp},
                {"communication", name_of(report.model.others)},
                {"weights", "synthetic"},
                {"weight_bytes", report.weight_bytes},
                {"copy_bandwidth_bytes_per_second", report.bandwidth}};
  if (report.model.drafts) json["draft_head"] = report.model.fp8_draft_head ? "fp8" : "bf16";
  if (report.model.common_experts > 0)
    json["common_experts_as_given"] = report.model.common_experts;
  if (!report.acceptance.empty())
    json["acceptance_as_given"] = io::Json::array_of(report.acceptance);
  json["date"] = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::now()));
  for (const StepResult& step : report.steps) {
    json["steps"].push_back(step_json(report, step));
  }
  return json;
}

}  // namespace slipstream::bench
