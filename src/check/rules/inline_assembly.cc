#include "check/rules/inline_assembly.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

namespace slipstream::check {
namespace {

struct Macro {
  bool takes_arguments = false;
  std::vector<std::string> parameters;
  std::string body;
};

using Macros = std::map<std::string, Macro, std::less<>>;
using Substitution = std::map<std::string, std::string, std::less<>>;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_assembly(std::string_view word) {
  return word == "asm" || word == "__asm__" || word == "__asm";
}

size_t end_of_word(std::string_view text, size_t at) {
  while (at < text.size() && is_word(text[at])) ++at;
  return at;
}

size_t skip_spaces(std::string_view text, size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

// Past the string that begins at `at`.
size_t end_of_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

// Of a line with those that backslashes add to it: its end, and the text without the backslashes.
std::pair<size_t, std::string> logical_line(std::string_view source, size_t at) {
  std::string text;
  for (; at < source.size() && source[at] != '\n'; ++at) {
    const bool goes_on = source[at] == '\\' && at + 1 < source.size() && source[at + 1] == '\n';
    text += goes_on ? ' ' : source[at];
    if (goes_on) ++at;
  }
  return {at, text};
}

std::vector<std::string> split_arguments(std::string_view parentheses) {
  std::vector<std::string> result(1);
  int depth = 0;
  for (size_t i = 1; i < parentheses.size(); ++i) {
    const char c = parentheses[i];
    if (c == '"') {
      const size_t end = end_of_string(parentheses, i);
      result.back() += parentheses.substr(i, end - i);
      i = end - 1;
      continue;
    }
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      result.emplace_back();
    } else if (!is_space(c) || !result.back().empty()) {
      result.back() += c;
    }
  }
  return result;
}

// The macro that "#define" at the start of this line defines, by name.
std::pair<std::string, Macro> parse_macro(std::string_view line) {
  const size_t name = skip_spaces(line, line.find("define") + 6);
  size_t at = end_of_word(line, name);
  Macro macro;
  macro.takes_arguments = at < line.size() && line[at] == '(';
  std::string called(line.substr(name, at - name));
  if (macro.takes_arguments) {
    const std::string_view parameters = parenthesized(line, at);
    macro.parameters = split_arguments(parameters);
    at = std::min(at + parameters.size() + 1, line.size());
  }
  macro.body = line.substr(at);
  return {std::move(called), std::move(macro)};
}

// "#op" is the argument as a string, "op" the argument.
std::string substitute(std::string_view body, const Substitution& arguments) {
  std::string result;
  for (size_t at = 0; at < body.size() && result.size() < kLongestStatement;) {
    const size_t start = at;
    if (body[at] == '"') {
      at = end_of_string(body, at);
    } else if (is_word(body[at]) || (body[at] == '#' && skip_spaces(body, at + 1) < body.size())) {
      const bool as_string = body[at] == '#';
      const size_t word = as_string ? skip_spaces(body, at + 1) : at;
      at = std::max(end_of_word(body, word), at + 1);
      const auto argument = arguments.find(body.substr(word, at - word));
      if (argument != arguments.end()) {
        result += as_string ? '"' + argument->second + '"' : argument->second;
        continue;
      }
    } else {
      ++at;
    }
    result += body.substr(start, at - start);
  }
  return result;
}

// Puts in what macros stand for.
class Expander {
 public:
  // For so many characters that are looked at. What is asked for after them stays as it is.
  explicit Expander(size_t budget) : budget_(budget) {}

  void define(std::pair<std::string, Macro> macro) { macros_.insert(std::move(macro)); }
  // The macro that a word stands for where it ends at `end`, or null.
  [[nodiscard]] const Macro* find(std::string_view word, std::string_view text, size_t end) const;
  std::string expand(std::string_view text);
  // Of a use whose name ends at `end`: what it stands for, and `end` past its arguments.
  std::string expand_use(std::string_view text, const Macro& macro, size_t& end);
  // As the function of that name.
  std::string_view parenthesized_at(std::string_view text, size_t from);

 private:
  [[nodiscard]] bool spend(size_t characters);

  Macros macros_;
  size_t budget_;
  std::vector<const Macro*> within_;  // what is being expanded; none is expanded in itself
};

bool Expander::spend(size_t characters) {
  const bool enough = characters <= budget_;
  budget_ = enough ? budget_ - characters : 0;
  return enough;
}

const Macro* Expander::find(std::string_view word, std::string_view text, size_t end) const {
  const auto found = macros_.find(word);
  if (found == macros_.end() || budget_ == 0) return nullptr;
  const Macro* const macro = &found->second;
  if (std::find(within_.begin(), within_.end(), macro) != within_.end()) return nullptr;
  return !macro->takes_arguments || (end < text.size() && text[end] == '(') ? macro : nullptr;
}

std::string_view Expander::parenthesized_at(std::string_view text, size_t from) {
  if (budget_ == 0) return {};
  const std::string_view result = parenthesized(text, from);
  const size_t looked_at = result.empty() ? kLongestStatement : result.size();
  return spend(std::min(looked_at, text.size() - from)) ? result : std::string_view{};
}

std::string Expander::expand_use(std::string_view text, const Macro& macro, size_t& end) {
  if (!spend(macro.body.size())) return {};
  std::string body = macro.body;
  if (macro.takes_arguments) {
    const std::string_view call = parenthesized_at(text, end);
    end = std::min(end + call.size() + 1, text.size());
    const std::vector<std::string> given = split_arguments(call);
    Substitution arguments;
    for (size_t i = 0; i < std::min(given.size(), macro.parameters.size()); ++i) {
      arguments[macro.parameters[i]] = given[i];
    }
    body = substitute(body, arguments);
  }
  within_.push_back(&macro);
  std::string result = expand(body);
  within_.pop_back();
  return result;
}

std::string Expander::expand(std::string_view text) {
  std::string result;
  if (!spend(text.size())) return result;
  for (size_t at = 0; at < text.size() && result.size() < kLongestStatement;) {
    size_t end = at + 1;
    if (text[at] == '"') {
      end = end_of_string(text, at);
    } else if (is_word(text[at])) {
      end = end_of_word(text, at);
      if (const Macro* const macro = find(text.substr(at, end - at), text, end)) {
        result += expand_use(text, *macro, end);
        at = end;
        continue;
      }
    }
    result += text.substr(at, end - at);
    at = end;
  }
  return result;
}

std::string join_strings(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '"') {
      result += text[at++];
      continue;
    }
    result += '"';
    for (; at < text.size() && text[at] == '"'; at = skip_spaces(text, at)) {
      const size_t end = end_of_string(text, at);
      result += text.substr(at + 1, end - at - 2);
      at = end;
    }
    result += '"';
  }
  return result;
}

class Reader {
 public:
  explicit Reader(std::string_view source)
      : source_(source), expander_(kLeastBudget + kLooks * source.size()) {}

  std::vector<AssemblyStatement> run() {
    for (size_t at = 0; at < source_.size();) at = step(at);
    return std::move(statements_);
  }

 private:
  // Far more than sources of people need; what is made to take long ends with it.
  static constexpr size_t kLooks = 16;
  static constexpr size_t kLeastBudget = size_t{1} << 20U;

  // Looks at what begins at `at`, and returns where the next begins.
  size_t step(size_t at) {
    const std::string_view rest = source_.substr(at);
    if (rest.starts_with("//")) return std::min(source_.find('\n', at), source_.size());
    if (rest.starts_with("/*")) {
      const size_t end = source_.find("*/", at + 2);
      return end == std::string_view::npos ? source_.size() : end + 2;
    }
    if (rest.front() == '"') return end_of_string(source_, at);
    if (rest.front() == '#') return read_directive(at);
    if (!is_word(rest.front())) return at + 1;
    const size_t end = end_of_word(source_, at);
    read_word(at, end);
    return end;
  }

  size_t read_directive(size_t at) {
    const auto [end, line] = logical_line(source_, at);
    if (line.substr(skip_spaces(line, 1)).starts_with("define"))
      expander_.define(parse_macro(line));
    return end;
  }

  void read_word(size_t at, size_t end) {
    const std::string_view word = source_.substr(at, end - at);
    if (is_assembly(word)) {
      const std::string_view written = expander_.parenthesized_at(source_, end);
      std::string text = join_strings(expander_.expand(written));
      if (text != written) statements_.push_back({at, std::move(text)});
      return;
    }
    const Macro* const macro = expander_.find(word, source_, end);
    if (macro == nullptr) return;
    const std::string made = expander_.expand_use(source_, *macro, end);
    for (size_t i = 0; i < made.size();) {
      if (made[i] == '"') {
        i = end_of_string(made, i);
        continue;
      }
      const size_t next = std::max(end_of_word(made, i), i + 1);
      if (is_assembly(std::string_view(made).substr(i, next - i))) {
        statements_.push_back({at, join_strings(expander_.parenthesized_at(made, next))});
      }
      i = next;
    }
  }

  std::string_view source_;
  Expander expander_;
  std::vector<AssemblyStatement> statements_;
};

}  // namespace

std::string_view parenthesized(std::string_view text, size_t from) {
  text = text.substr(0, from + kLongestStatement);
  const size_t open = text.find('(', from);
  if (open == std::string_view::npos) return {};
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '"') i = end_of_string(text, i) - 1;
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) return text.substr(open, i - open);
  }
  return {};
}

std::vector<AssemblyStatement> statements_by_macros(std::string_view source) {
  return Reader(source).run();
}

}  // namespace slipstream::check
