#include "cli/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "check/checker.h"
#include "check/report/text_report.h"
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
    const std::string text = check::text_report(report);
    static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
  }
  if (json.wanted()) json.write(check::json_report(report));
  if (!options.sarif_file.empty()) io::write_text(options.sarif_file, check::sarif_report(report));
}

// Before the work, which may take long.
void require_writable(const CheckOptions& options) {
  JsonOutput(options.json_file).require_writable();
  if (!options.sarif_file.empty()) io::require_writable(options.sarif_file);
}

}  // namespace

int run_check(const CheckOptions& options) {
  require_writable(options);
  check::Launches launches;
  if (!options.launches_file.empty()) launches = check::read_launches(options.launches_file);
  const check::Report report = check::check_paths(options.paths, launches, options.source_roots);
  write_reports(options, report);
  if (!report.problems.empty()) return kCannot;
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
  command.add_option("--fail-on", options->fail_on, "Exit with 1 from this severity on")
      .one_of({"note", "warning", "error"})
      .default_in_help();
  command.add_option(
      "--source-root", options->source_roots,
      "A folder of sources that you trust; may be given several times. Comments that "
      "allow findings count in these only, and no other source is opened");
  command.add_timeout_option();
  command.add_json_option(options->json_file, "the report");
  command.set_action([options] { return run_check(*options); });
}

}  // namespace slipstream::cli
