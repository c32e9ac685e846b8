#include "check/report/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "check/report/folding.h"
#include "check/rules/rules.h"
#include "io/file.h"

namespace slipstream::check {
namespace {

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>slipstream check</title>
<style>
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #1b1f24; }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .6em 0; padding: .5em .8em; }
details details { border: 0; margin: .2em 0; padding: 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.error { color: #b42318; } .warning { color: #9a6700; } .note { color: #57606a; }
code, pre { font: 13px/1.5 monospace; }
pre { background: #f6f8fa; border-radius: 6px; overflow-x: auto; padding: .6em; }
pre b { background: #ffe2b8; display: inline-block; font-weight: normal; min-width: 100%; }
ol, ul { overflow-wrap: anywhere; }
table { border-collapse: collapse; } td, th { padding: .15em .8em .15em 0; text-align: left; }
</style>
</head>
<body>
<h1>slipstream check</h1>
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

class Page {
 public:
  Page(const Report& report, const SourceRoots& roots) : report_(report), roots_(roots) {}

  std::string print() {
    const std::vector<Fold> folds = fold(report_.findings);
    text_ = kHead;
    add_summary(folds.size());
    for (const Fold& one : folds) add_fold(one);
    add_problems();
    add_rules();
    text_ += "</body>\n</html>\n";
    return std::move(text_);
  }

 private:
  void add_summary(size_t causes) {
    text_ += fmt::format("<p>{} kernels in {} images of {} files, {} of them wait.</p>\n<table>",
                         report_.kernels, report_.images, report_.files, report_.waiting_kernels);
    for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
      const auto count = std::count_if(
          report_.findings.begin(), report_.findings.end(),
          [&](const Finding& one) { return one.severity == severity && one.allowed.empty(); });
      text_ +=
          fmt::format("<tr><th class=\"{0}\">{0}s</th><td>{1}</td></tr>", name_of(severity), count);
    }
    text_ += fmt::format("<tr><th>causes</th><td>{}</td></tr></table>\n", causes);
    if (report_.stopped) text_ += "<p>Stopped before everything was looked at.</p>\n";
  }

  void add_fold(const Fold& fold) {
    const Finding& finding = *fold.findings.front();
    std::set<std::string> kernels;
    for (const Finding* one : fold.findings) kernels.insert(one->kernel);
    text_ += fmt::format(
        "<details><summary><b class=\"{}\">{} {}</b> ({}) <code>{}</code>{}<br>{}{}</summary>\n",
        name_of(finding.severity), name_of(finding.severity), info_of(finding.rule).id,
        name_of(finding.certainty), escaped(template_name(finding.kernel)),
        kernels.size() > 1 ? fmt::format(", {} kernels", kernels.size()) : "",
        escaped(finding.message),
        finding.allowed.empty() ? "" : "<br>Allowed: " + escaped(finding.allowed));
    add_way(finding);
    for (const Place& place : finding.places) add_place(place);
    text_ += fmt::format("<p>{}</p>\n", escaped(info_of(finding.rule).mend));
    add_list("Kernels", kernels);
    add_list("Images", {finding.images.begin(), finding.images.end()});
    text_ += "</details>\n";
  }

  void add_way(const Finding& finding) {
    if (!finding.threads.empty()) text_ += fmt::format("<p>By {}.</p>\n", escaped(finding.threads));
    if (finding.path.empty()) return;
    text_ += "<p>The way that leads there:</p>\n<ol>";
    for (const std::string& step : finding.path) {
      text_ += fmt::format("<li><code>{}</code></li>", escaped(step));
    }
    text_ += "</ol>\n";
  }

  void add_place(const Place& place) {
    text_ += fmt::format("<p>At <code>{}</code>", escaped(place.text()));
    if (!place.file.empty() && !place.code.empty()) {
      text_ += fmt::format(" ({})", escaped(place.code));
    }
    for (const std::string& caller : place.inlined_at) {
      text_ += fmt::format("<br>inlined at <code>{}</code>", escaped(caller));
    }
    text_ += "</p>\n";
    add_code(source_around(place));
    add_code(place.excerpt);
  }

  void add_code(const std::vector<CodeLine>& lines) {
    if (lines.empty()) return;
    text_ += "<pre>";
    for (const CodeLine& line : lines) {
      const std::string text = fmt::format("{:>8}  {}", line.where, escaped(line.text));
      text_ += line.here ? fmt::format("<b>{}</b>\n", text) : text + '\n';
    }
    text_ += "</pre>\n";
  }

  void add_list(std::string_view title, const std::set<std::string>& entries) {
    if (entries.empty()) return;
    text_ += fmt::format("<details><summary>{}: {}</summary><ul>", title, entries.size());
    for (const std::string& entry : entries) {
      text_ += fmt::format("<li><code>{}</code></li>", escaped(entry));
    }
    text_ += "</ul></details>\n";
  }

  void add_problems() {
    if (report_.problems.empty()) return;
    text_ += "<h2>Not analyzed</h2>\n<ul>";
    for (const Problem& problem : report_.problems) {
      text_ +=
          fmt::format("<li><code>{}</code>: {}</li>", escaped(problem.file), escaped(problem.what));
    }
    text_ += "</ul>\n";
  }

  void add_rules() {
    std::set<Rule> seen;
    for (const Finding& finding : report_.findings) seen.insert(finding.rule);
    if (seen.empty()) return;
    text_ += "<h2>The rules</h2>\n<ul>";
    for (const Rule rule : seen) {
      const RuleInfo& info = info_of(rule);
      text_ += fmt::format("<li><b>{}</b>: {}</li>", info.id, escaped(info.title));
    }
    text_ += "</ul>\n";
  }

  std::vector<CodeLine> source_around(const Place& place) {
    constexpr uint32_t kAround = 4;
    std::vector<CodeLine> around;
    const std::vector<std::string>& lines = source(place.file);
    const uint32_t first = place.line > kAround ? place.line - kAround : 1;
    for (uint32_t i = first; i <= place.line + kAround && i <= lines.size(); ++i) {
      around.push_back({std::to_string(i), lines[i - 1], i == place.line});
    }
    return around;
  }

  const std::vector<std::string>& source(const std::string& file) {
    const auto [entry, is_new] = sources_.try_emplace(file);
    if (!is_new || file.empty() || !roots_.contain(file)) return entry->second;
    try {
      const std::string text = io::read_file(file);
      for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        entry->second.push_back(text.substr(at, end - at));
        at = end + 1;
      }
    } catch (const std::exception&) {
      entry->second.clear();  // moved or removed since: the page has its line number
    }
    return entry->second;
  }

  const Report& report_;
  const SourceRoots& roots_;
  std::map<std::string, std::vector<std::string>> sources_;
  std::string text_;
};

}  // namespace

std::string html_report(const Report& report, const SourceRoots& roots) {
  return Page(report, roots).print();
}

}  // namespace slipstream::check
