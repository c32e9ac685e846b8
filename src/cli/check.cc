#include "cli/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>

#include "check/checker.h"
#include "check/report/filter.h"
#include "check/report/html_report.h"
#include "check/report/text_report.h"
#include "cli/check_stop.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "io/file.h"

namespace slipstream::cli {
namespace {

check::Severity severity_of(const std::string& level) {
  if (level == "note") return check::Severity::kNote;
  return level == "warning" ? check::Severity::kWarning : check::Severity::kError;
}

// Text to standard output, or files.
void write_reports(const CheckOptions& options, const check::Report& report) {
  const JsonOutput json(options.json_file);
  if (json.prints_text()) {
    const std::string text = check::text_report(report, options.expand);
    static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
  }
  if (json.wanted()) json.write(check::json_report(report));
  if (!options.sarif_file.empty()) io::write_text(options.sarif_file, check::sarif_report(report));
  if (!options.html_file.empty()) {
    const check::SourceRoots roots(options.source_roots);
    io::write_text(options.html_file, check::html_report(report, roots));
  }
}

check::CheckLimits limits_of(const CheckOptions& options) {
  check::CheckLimits limits;
  limits.jobs =
      options.jobs != 0 ? options.jobs : std::max(1U, std::thread::hardware_concurrency());
  limits.stop = &StopRequests::requested;
  limits.listing = !options.html_file.empty();
  if (isatty(STDERR_FILENO) == 1) {
    limits.progress = [](const std::string& file) {
      std::fprintf(stderr, "\r\033[K%s\r", file.c_str());
    };
  }
  return limits;
}

// Before the work, which may take long.
void require_writable(const CheckOptions& options) {
  JsonOutput(options.json_file).require_writable();
  if (!options.sarif_file.empty()) io::require_writable(options.sarif_file);
  if (!options.html_file.empty()) io::require_writable(options.html_file);
}

}  // namespace

int run_check(const CheckOptions& options) {
  require_writable(options);
  check::Launches launches;
  if (!options.launches_file.empty()) launches = check::read_launches(options.launches_file);
  const StopRequests stop(options.timeout_seconds);
  check::Report report =
      check::check_paths(options.paths, launches, options.source_roots, limits_of(options));
  if (report.kernels == 0 && report.sources == 0 && report.problems.empty() && !report.stopped) {
    report.problems.push_back({options.paths.front(), "no kernel was found"});
  }
  keep_only({.rules = options.rules,
             .kernels = options.kernels,
             .severity = severity_of(options.severity)},
            report);
  write_reports(options, report);
  if (report.stopped) {
    fmt::print(stderr,
               "slipstream check: stopped before the end: the report is of what was read so far\n");
    return StopRequests::time_is_over() ? kTimedOut : kCannot;
  }
  if (!report.problems.empty()) {
    fmt::print(stderr,
               "slipstream check: {} of what was given could not be checked: the report says why\n",
               report.problems.size());
    return kCannot;
  }
  const check::Severity level = severity_of(options.fail_on);
  const bool found = std::any_of(report.findings.begin(), report.findings.end(),
                                 [&](const check::Finding& finding) {
                                   return finding.severity >= level && finding.allowed.empty();
                                 });
  return found ? kFound : kDone;
}

void add_check_command(const cli::Command& program) {
  auto options = std::make_shared<CheckOptions>();
  const cli::Command command = program.add_command(
      "check", "Find PDL races in programs, libraries, cubins, PTX files and directories of them.");
  command.add_option("PATH", options->paths, "What to look at").required();
  command.add_option("--launches", options->launches_file,
                     "JSON: which kernels are launched with the PDL attribute, and what their "
                     "pointers hold");
  command.add_option("--sarif", options->sarif_file, "Write the findings as SARIF 2.1.0 as well");
  command.add_option("--html", options->html_file,
                     "Write the findings as a page with the code around them as well");
  command.add_option("--fail-on", options->fail_on, "Exit with 1 from this severity on")
      .one_of({"note", "warning", "error"})
      .default_in_help();
  command.add_option(
      "--source-root", options->source_roots,
      "A folder of sources that you trust; may be given several times. Comments that "
      "allow findings count in these only, and no other source is opened");
  command.add_option("--rule", options->rules, "Only these rules: R5; may be given several times");
  command.add_option("--kernel", options->kernels,
                     "Only kernels with this in their name; may be given several times");
  command.add_option("--severity", options->severity, "Only findings from this severity on")
      .one_of({"note", "warning", "error"})
      .default_in_help();
  command.add_flag("--expand", options->expand, "List every kernel that a finding stands for");
  command.add_option("--jobs", options->jobs, "Threads; without it, one for each processor");
  command
      .add_option("--timeout", options->timeout_seconds,
                  "Seconds after which the command ends and reports what it found (exit code 124)")
      .positive();
  command.add_json_option(options->json_file, "the report");
  command.set_action([options] { return run_check(*options); });
}

}  // namespace slipstream::cli
