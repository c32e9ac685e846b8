#include <algorithm>
#include <set>

#include "check/rules/inline_assembly.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

constexpr std::string_view kWait = "griddepcontrol.wait";

// Positions are asked for in their order.
class LineCounter {
 public:
  explicit LineCounter(std::string_view source) : source_(source) {}

  uint32_t line_at(size_t position) {
    const auto between = source_.substr(counted_, position - counted_);
    line_ += static_cast<uint32_t>(std::count(between.begin(), between.end(), '\n'));
    counted_ = position;
    return line_;
  }

 private:
  std::string_view source_;
  size_t counted_ = 0;
  uint32_t line_ = 1;
};

// What stands in front of `position`, as far as it may matter.
std::string_view before(std::string_view source, size_t position) {
  const size_t start = position - std::min(position, kLongestStatement);
  return source.substr(start, position - start);
}

// The text between the parentheses of the asm statement around `position`, or nothing.
std::string_view asm_statement(std::string_view source, size_t position) {
  const std::string_view text = before(source, position);
  const size_t keyword = text.rfind("asm");
  if (keyword == std::string_view::npos) return {};
  const std::string_view between = text.substr(keyword);
  if (between.find('(') == std::string_view::npos) return {};
  return between.find(';') == std::string_view::npos
             ? parenthesized(source, position - between.size())
             : std::string_view{};
}

bool is_commented(std::string_view source, size_t position) {
  const std::string_view text = before(source, position);
  return text.substr(text.rfind('\n') + 1).find("//") != std::string_view::npos;  // npos + 1 is 0
}

bool lacks_clobber(std::string_view statement) {
  return statement.find("\"memory\"") == std::string_view::npos;
}

Finding missing_clobber(const std::string& name, uint32_t line) {
  Finding finding;
  finding.rule = Rule::kMissingClobber;
  finding.severity = Severity::kWarning;
  finding.certainty = Certainty::kProven;
  finding.kernel = name;
  finding.message =
      "Waits in inline assembly that does not clobber memory: the compiler may move reads and "
      "writes over it";
  finding.places.push_back(
      {.file = name, .line = line, .inlined_at = {}, .code = {}, .instruction = {}, .excerpt = {}});
  finding.images.emplace_back("source");
  return finding;
}

std::vector<Finding> check_missing_clobber(std::string_view source, const std::string& name) {
  std::vector<Finding> findings;
  std::set<uint32_t> lines;
  std::set<std::string_view> written;  // statements, in macros or not
  LineCounter waits(source);
  for (size_t at = source.find(kWait); at != std::string_view::npos;
       at = source.find(kWait, at + kWait.size())) {
    const std::string_view statement = asm_statement(source, at);
    if (statement.empty() || is_commented(source, at)) continue;
    written.insert(statement);
    if (lacks_clobber(statement)) lines.insert(waits.line_at(at));
  }
  LineCounter made(source);
  for (const AssemblyStatement& statement : statements_by_macros(source)) {
    if (statement.text.find(kWait) == std::string::npos || !lacks_clobber(statement.text)) continue;
    if (written.contains(statement.text)) continue;  // the macro is where it stands
    lines.insert(made.line_at(statement.position));
  }
  for (const uint32_t line : lines) findings.push_back(missing_clobber(name, line));
  return findings;
}

}  // namespace

const RuleInfo kMissingClobber = {
    .rule = Rule::kMissingClobber,
    .id = "R10",
    .file = "r10_missing_clobber",
    .title = "inline assembly of the wait has no \"memory\" clobber",
    .severity = "warning",
    .in_ptx = "in sources",
    .in_sass = "",
    .reason = R"(
Without the clobber the compiler takes the statement for one that touches no memory, and may move
reads and writes of memory over it. What it makes of the source today may happen to be right. The
compiled code does not show what the compiler was told, so this rule reads `.cu` files and headers.
)",
    .mend =
        "Write `asm volatile(\"griddepcontrol.wait;\" ::: \"memory\")`, or call "
        "`cudaGridDependencySynchronize()`.",
    .example = {.wrong = R"(
__global__ void scale(const float* in, float* out) {
  asm volatile("griddepcontrol.wait;");
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .right = R"(
__global__ void scale(const float* in, float* out) {
  asm volatile("griddepcontrol.wait;" ::: "memory");
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = ""},
    .corpus = "flashinfer_2558_missing_clobber",
    .check_source = &check_missing_clobber,
};

}  // namespace slipstream::check
