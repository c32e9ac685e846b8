#include "check/report/rule_pages.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipstream::check {
namespace {

constexpr size_t kColumns = 120;

// The texts in the rules' files begin with a line break, so that they stand there as they are.
std::string_view without_first_break(std::string_view text) {
  return text.starts_with('\n') ? text.substr(1) : text;
}

// Breaks a paragraph into lines anew.
std::string wrap(std::string_view text) {
  std::string result;
  size_t column = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (column != 0 && column + 1 + end > kColumns) {
      result += '\n';
      column = 0;
    } else if (column != 0) {
      result += ' ';
      ++column;
    }
    result += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result + '\n';
}

std::string paragraphs(std::string_view text) {
  text = without_first_break(text);
  std::string result;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\n\n"), text.size());
    result += (result.empty() ? "" : "\n") + wrap(text.substr(0, end));
    text.remove_prefix(std::min(end + 2, text.size()));
  }
  return result;
}

std::string code_block(std::string_view language, std::string_view text) {
  return fmt::format("```{}\n{}```\n", language, without_first_break(text));
}

std::string number_of(const RuleInfo& rule) {
  return fmt::format("{:02}", static_cast<int>(rule.rule) + 1);
}

std::string looks_at(const RuleInfo& rule) {
  const auto form = [](std::string_view name, std::string_view how) {
    return how == "yes" ? std::string(name) : fmt::format("{} ({})", name, how);
  };
  if (rule.check_source != nullptr) return "CUDA sources and headers";
  return form("PTX", rule.in_ptx) + ", " + form("SASS", rule.in_sass);
}

}  // namespace

std::string rule_page_name(const RuleInfo& rule) { return "R" + number_of(rule) + ".md"; }

std::string rule_page(const RuleInfo& rule) {
  std::string page = fmt::format("# {}: {}\n\n| | |\n|---|---|\n", rule.id, rule.title);
  page += fmt::format("| severity without a launches file | {} |\n", rule.severity);
  page += fmt::format("| looks at | {} |\n", looks_at(rule));
  page += fmt::format("| code, and source of this page | [`{0}`](../../{0}) |\n",
                      fmt::format("src/check/rules/{}.cc", rule.file));
  if (!rule.corpus.empty()) {
    page += fmt::format("| a public case | [`{0}`](../../{0}) |\n",
                        fmt::format("tests/check/corpus/bugs/{}.cu", rule.corpus));
  }
  page += "\n## Why it is wrong\n\n" + paragraphs(rule.reason);
  page += "\n## How to mend it\n\n" + wrap(rule.mend);
  page += "\n## Example\n\nReported:\n\n" + code_block("cuda", rule.example.wrong);
  page += "\nNot reported:\n\n" + code_block("cuda", rule.example.right);
  if (!rule.example.launches.empty()) {
    page += "\nBoth with this launches file:\n\n" + code_block("json", rule.example.launches);
  }
  return page +
         fmt::format(
             "\n## How to allow it\n\nBy a comment with a reason, on the line of the finding or "
             "the line above ([more](../check.md#allowing-a-finding)):\n\n"
             "    // slipstream-check: allow {}: the reason\n",
             rule.id);
}

std::string rule_index() {
  std::string page = "# The rules of `slipstream check`\n\n";
  page +=
      wrap(R"(Each rule is one file in `src/check/rules`, which holds its code and all that its page
says. `check_rule_pages` writes these pages; a test compares them with what it writes, compiles
every example, and demands that the rule reports the first kernel of it and not the second.)");
  page += "\n| rule | reports | without a launches file | PTX | SASS |\n|---|---|---|---|---|\n";
  for (const RuleInfo* rule : all_rules()) {
    page += fmt::format("| [{}]({}) | {} | {} | {} | {} |\n", rule->id, rule_page_name(*rule),
                        rule->title, rule->severity, rule->in_ptx, rule->in_sass);
  }
  return page + '\n' +
         wrap(R"(A trigger before the last write is not reported: it publishes nothing and
need not. Ending a grid is a trigger too. Early exit of some CTAs does not break the order. These
are the false alarms that people and bots raise most.)");
}

std::string example_namespace(const RuleInfo& rule, bool right) {
  return fmt::format("r{}_{}", number_of(rule), right ? "right" : "wrong");
}

std::string rule_examples() {
  std::string source = "// Printed by check_rule_pages.\n";
  for (const RuleInfo* rule : all_rules()) {
    for (const bool right : {false, true}) {
      source += fmt::format("\nnamespace {} {{\n{}}}\n", example_namespace(*rule, right),
                            right ? rule->example.right : rule->example.wrong);
    }
  }
  return source;
}

}  // namespace slipstream::check
