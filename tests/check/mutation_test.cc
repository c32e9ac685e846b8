// Breaks every kernel of the project in the ways that PDL kernels get broken, and demands that the
// checker reports it. The kernels are changed as PTX, as they come out of the build.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "check/analysis/kernel_code.h"
#include "check/checker.h"
#include "check/lower/ptx/lower.h"
#include "check/rules/forward_search.h"
#include "code/fatbin.h"

namespace slipstream::check {
namespace {

constexpr std::string_view kWait = "griddepcontrol.wait;";
// Not broken: nothing may be reported that is not reported of the kernel itself.
constexpr const char* kTwin = "one-warp wait with a barrier after it";

// The rules of which one must report each kind of mutant.
const std::map<std::string, std::set<std::string>> kExpected = {
    {"wait removed", {"R7"}},
    {"one of several waits removed", {"R1", "R2", "R3", "R6"}},
    {"produced read moved above the wait", {"R1", "R2"}},
    {"barrier after a one-warp wait dropped", {"R2"}},
    {"produced pointer const __restrict__", {"R4"}},
    {"trigger moved above the wait", {"R9"}},
};

struct Mutant {
  std::string kind;
  std::string name;
  std::vector<std::string> lines;
};

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string join_lines(const std::vector<std::string>& lines) {
  return fmt::format("{}\n", fmt::join(lines, "\n"));
}

// The text without all other kernels; line numbers stay. A kernel extends from ".entry" to the
// brace that closes its first one.
std::vector<std::string> only_kernel(std::vector<std::string> lines, const std::string& kernel) {
  bool left_out = false;
  int64_t depth = 0;
  for (std::string& line : lines) {
    const size_t entry = line.find(".entry ");
    if (entry != std::string::npos) left_out = line.substr(entry + 7) != kernel + "(";
    const int64_t opened = std::count(line.begin(), line.end(), '{');
    const int64_t closed = std::count(line.begin(), line.end(), '}');
    depth += opened - closed;
    if (left_out) line.clear();
    if (closed > 0 && depth == 0) left_out = false;
  }
  return lines;
}

// "R1 parameter 0": what is said of one kernel, notes aside but for early triggers.
std::set<std::string> findings_of(const std::string& ptx, const std::string& kernel) {
  const Launches launches = parse_launches(R"({"kernels": [{"name": "*", "pdl": true}]})", "");
  const Report report = check_image(ptx, "mutant.ptx", launches);
  for (const Problem& problem : report.problems) ADD_FAILURE() << kernel << ": " << problem.what;
  std::set<std::string> result;
  for (const Finding& finding : report.findings) {
    if (finding.mangled != kernel) continue;
    if (finding.severity == Severity::kNote && finding.rule != Rule::kTriggerBeforeWait) continue;
    result.insert(fmt::format("{} {}", id_of(finding.rule), finding.subject));
  }
  return result;
}

class Mutator {
 public:
  Mutator(std::vector<std::string> lines, const KernelCode& code)
      : lines_(std::move(lines)), code_(code) {
    const auto& instructions = code.function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      if (instructions[i].action != Action::kWait) continue;
      waits_.insert(line_of(i));
      if (memory_is_touched_after(i)) needed_waits_.insert(line_of(i));
    }
  }

  std::vector<Mutant> mutants() {
    remove_waits();
    read_early();
    wait_in_one_warp();
    drop_barriers();
    use_read_only_path();
    trigger_early();
    return std::move(mutants_);
  }

 private:
  size_t line_of(uint32_t instruction) const {
    return code_.function().instructions[instruction].position - 1;
  }

  bool memory_is_touched_after(uint32_t wait) const {
    const auto touches = [&](uint32_t i) {
      return touches_memory(code_.function().instructions[i].action);
    };
    return ForwardSearch(code_).run(
        wait, [](uint32_t) { return false; }, touches);
  }

  void add(const std::string& kind, std::string name, std::vector<std::string> lines) {
    mutants_.push_back({kind, std::move(name), std::move(lines)});
  }

  // Replaces the wait in `line`.
  static void replace_wait(std::string& line, const std::string& with) {
    const size_t at = line.find(kWait);
    if (at != std::string::npos) line.replace(at, kWait.size(), with);
  }

  void remove_waits() {
    std::vector<std::string> lines = lines_;
    for (const size_t line : waits_) replace_wait(lines[line], "");
    add("wait removed", "", std::move(lines));
    if (waits_.size() == 1) return;
    // CTAs with nothing left to do need none: nothing is wrong where they alone do not wait.
    for (const size_t wait : needed_waits_) {
      lines = lines_;
      replace_wait(lines[wait], "");
      add("one of several waits removed", fmt::format("line {}", wait + 1), std::move(lines));
    }
  }

  // One pointer parameter each that is only touched after the wait, with a touch.
  std::map<int64_t, uint32_t> late_parameters() const {
    std::map<int64_t, uint32_t> result;
    std::set<int64_t> early;
    const auto& instructions = code_.function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      if (!touches_memory(instructions[i].action)) continue;
      const Subject subject = code_.subject_of(i);
      if (subject.origins.size() != 1 || subject.origins.front().kind != OriginKind::kParameter) {
        continue;
      }
      result.emplace(subject.origins.front().value, i);
      if (code_.ordering().reachable_before(i)) early.insert(subject.origins.front().value);
    }
    for (const int64_t offset : early) result.erase(offset);
    return result;
  }

  void read_early() {
    const auto& parameters = code_.function().parameters;
    for (const auto& [offset, access] : late_parameters()) {
      for (size_t p = 0; p < parameters.size(); ++p) {
        const int64_t inside = offset - parameters[p].offset;
        if (inside < 0 || inside >= parameters[p].bytes) continue;
        const std::string load = fmt::format(
            "{{ .reg .b64 %mutant_a; .reg .b32 %mutant_v; ld.param.u64 %mutant_a, "
            "[{}_param_{}+{}]; "
            "ld.global.u32 %mutant_v, [%mutant_a]; }} {}",
            code_.function().name, p, inside, kWait);
        std::vector<std::string> lines = lines_;
        for (const size_t line : waits_) replace_wait(lines[line], load);
        add("produced read moved above the wait", fmt::format("byte {}", offset), lines);
      }
    }
  }

  // Only the first warp waits, and `next` follows that.
  std::vector<std::string> one_warp_waits(const std::string& next) const {
    std::vector<std::string> lines = lines_;
    for (const size_t line : waits_) {
      replace_wait(lines[line],
                   fmt::format("{{ .reg .pred %mutant_p; .reg .b32 %mutant_t; mov.u32 %mutant_t, "
                               "%tid.x; setp.lt.u32 %mutant_p, %mutant_t, 32; @%mutant_p {} {} }}",
                               kWait, next));
    }
    return lines;
  }

  void wait_in_one_warp() {
    if (code_.function().max_threads != 0 && code_.function().max_threads <= 32) return;
    if (needed_waits_.empty())
      return;  // the wait comes last: nothing is wrong where one warp waits
    add("barrier after a one-warp wait dropped", "", one_warp_waits(""));
    mutants_.push_back({kTwin, "", one_warp_waits("bar.sync 0;")});
  }

  // Barriers that the order of some thread hangs on.
  void drop_barriers() {
    const auto& instructions = code_.function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      const bool orders = instructions[i].action == Action::kBarrier &&
                          code_.ordering().before[i].any() && code_.ordering().after[i].any();
      if (!orders) continue;
      std::vector<std::string> lines = lines_;
      lines[line_of(i)].clear();
      add("barrier after a one-warp wait dropped", fmt::format("line {}", line_of(i) + 1), lines);
    }
  }

  void use_read_only_path() {
    std::set<std::string> done;
    const auto& instructions = code_.function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      std::string line = lines_[line_of(i)];
      const size_t load = line.find("ld.global.");
      const bool plain = instructions[i].action == Action::kLoad &&
                         !instructions[i].synchronizing && !instructions[i].non_coherent &&
                         load != std::string::npos;
      const std::string subject = code_.describe(code_.subject_of(i));
      if (!plain || code_.ordering().reachable_before(i) || !done.insert(subject).second) continue;
      line.replace(load, 10, "ld.global.nc.");
      std::vector<std::string> lines = lines_;
      lines[line_of(i)] = line;
      add("produced pointer const __restrict__", subject, lines);
    }
  }

  void trigger_early() {
    const auto& instructions = code_.function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      if (instructions[i].action != Action::kTrigger) continue;
      if (code_.ordering().reachable_before(i)) return;  // it does so as it is
    }
    std::vector<std::string> lines = lines_;
    for (const size_t line : waits_) {
      replace_wait(lines[line], fmt::format("griddepcontrol.launch_dependents; {}", kWait));
    }
    add("trigger moved above the wait", "", std::move(lines));
  }

  std::vector<std::string> lines_;
  const KernelCode& code_;
  std::set<size_t> waits_;
  std::set<size_t> needed_waits_;  // after which there is something to order
  std::vector<Mutant> mutants_;
};

struct Tally {
  size_t reported = 0;
  std::vector<std::string> missed;
};

void check_module(const std::string& ptx, std::map<std::string, Tally>& tallies) {
  const auto module = slipstream::ptx::Module::parse(ptx, "kernels.ptx");
  for (const auto& function : module->functions) {
    if (!function.is_entry || !function.has_body) continue;
    const KernelCode code(from_ptx::lower(*module, function), "PTX", nullptr);
    if (!code.ordering().has_wait) continue;
    const std::vector<std::string> lines = only_kernel(split_lines(ptx), code.function().name);
    const std::set<std::string> before = findings_of(join_lines(lines), code.function().name);
    for (const Mutant& mutant : Mutator(lines, code).mutants()) {
      const std::set<std::string> after =
          findings_of(join_lines(mutant.lines), code.function().name);
      std::vector<std::string> added;
      std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                          std::back_inserter(added));
      if (mutant.kind == kTwin) {
        EXPECT_EQ(added, std::vector<std::string>{}) << code.demangled() << ", " << kTwin;
        continue;
      }
      Tally& tally = tallies[mutant.kind];
      const std::set<std::string>& rules = kExpected.at(mutant.kind);
      const bool reported = std::any_of(added.begin(), added.end(), [&](const std::string& one) {
        return rules.contains(one.substr(0, one.find(' ')));
      });
      if (reported) {
        ++tally.reported;
      } else {
        tally.missed.push_back(fmt::format("{} {}", code.demangled(), mutant.name));
      }
    }
  }
}

TEST(Mutation, ReportsBrokenKernelsOfTheProject) {
  std::ifstream objects(MUTATION_OBJECTS);
  std::map<std::string, Tally> tallies;
  for (std::string path; std::getline(objects, path);) {
    if (path.empty()) continue;
    for (const auto& image : code::read_image_file(path)) {
      if (image.kind == code::ImageKind::kPtx) check_module(image.bytes, tallies);
    }
  }
  size_t reported = 0;
  size_t total = 0;
  for (const auto& [kind, tally] : tallies) {
    fmt::print("| {} | {} | {} |\n", kind, tally.reported, tally.reported + tally.missed.size());
    for (const std::string& missed : tally.missed) fmt::print("  not reported: {}\n", missed);
    reported += tally.reported;
    total += tally.reported + tally.missed.size();
  }
  ASSERT_GT(total, 0U) << "no kernel was found in the objects that " << MUTATION_OBJECTS
                       << " lists";
  EXPECT_GE(static_cast<double>(reported), 0.95 * static_cast<double>(total));
}

}  // namespace
}  // namespace slipstream::check
