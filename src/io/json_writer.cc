#include "io/json_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace slipstream::io {
namespace {

constexpr int kOneLine = -1;

// Of the UTF-8 character that `text` begins with; 0 where it begins with none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool too_long = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) >= 0xA0;
  const bool beyond_the_last = first == 0xF4 && byte(1) >= 0x90;
  return too_long || surrogate || beyond_the_last ? 0 : length;
}

// Names in binaries and of files may hold any bytes; JSON is UTF-8, and readers refuse what is not.
void append_string(std::string& text, std::string_view value) {
  text += '"';
  while (!value.empty()) {
    const size_t length = utf8_length(value);
    const char letter = value.front();
    if (length == 0) {
      text += "\\ufffd";  // the character that stands for what is none
    } else if (length > 1) {
      text += value.substr(0, length);
    } else if (letter == '"' || letter == '\\') {
      text += '\\';
      text += letter;
    } else if (letter == '\n') {
      text += "\\n";
    } else if (letter == '\t') {
      text += "\\t";
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      text += fmt::format("\\u{:04x}", static_cast<int>(letter));
    } else {
      text += letter;
    }
    value.remove_prefix(std::max<size_t>(length, 1));
  }
  text += '"';
}

// The shortest text that reads back as the same value, and as one with a fraction.
void append_number(std::string& text, double value) {
  if (!std::isfinite(value)) {
    text += "null";
    return;
  }
  const std::string digits = fmt::format("{}", value);
  text += digits;
  if (digits.find_first_of(".e") == std::string::npos) text += ".0";
}

void append_line_break(std::string& text, int indent, int level) {
  if (indent == kOneLine) return;
  text += '\n';
  text.append(static_cast<size_t>(indent) * level, ' ');
}

// `append_value` once for each value, between brackets.
template <class Values, class Append>
void append_list(std::string& text, const Values& values, const char* brackets, int indent,
                 int level, const Append& append_value) {
  text += brackets[0];
  bool first = true;
  for (const auto& value : values) {
    if (!first) text += ',';
    first = false;
    append_line_break(text, indent, level + 1);
    append_value(value);
  }
  if (!first) append_line_break(text, indent, level);
  text += brackets[1];
}

}  // namespace

Json::Json(std::initializer_list<std::pair<const char*, Json>> members) {
  Members& result = value_.emplace<Members>();
  for (const auto& [name, value] : members) result.emplace_back(name, value);
}

Json Json::array() {
  Json result;
  result.value_.emplace<std::vector<Json>>();
  return result;
}

Json& Json::operator[](std::string_view name) {
  if (is_null()) value_.emplace<Members>();
  auto& members = std::get<Members>(value_);
  const auto found = std::ranges::find(members, name, &Members::value_type::first);
  if (found != members.end()) return found->second;
  return members.emplace_back(name, Json()).second;
}

void Json::push_back(Json value) {
  if (is_null()) value_.emplace<std::vector<Json>>();
  std::get<std::vector<Json>>(value_).push_back(std::move(value));
}

std::string Json::text() const { return text(kOneLine); }

std::string Json::text(int indent) const {
  std::string result;
  append(result, indent, 0);
  return result;
}

void Json::append(std::string& text, int indent, int level) const {
  if (const auto* flag = std::get_if<bool>(&value_)) {
    text += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<int64_t>(&value_)) {
    text += std::to_string(*number);
  } else if (const auto* number = std::get_if<uint64_t>(&value_)) {
    text += std::to_string(*number);
  } else if (const auto* number = std::get_if<double>(&value_)) {
    append_number(text, *number);
  } else if (const auto* string = std::get_if<std::string>(&value_)) {
    append_string(text, *string);
  } else if (const auto* values = std::get_if<std::vector<Json>>(&value_)) {
    append_list(text, *values, "[]", indent, level,
                [&](const Json& value) { value.append(text, indent, level + 1); });
  } else if (const auto* members = std::get_if<Members>(&value_)) {
    append_list(text, *members, "{}", indent, level, [&](const auto& member) {
      append_string(text, member.first);
      text += indent == kOneLine ? ":" : ": ";
      member.second.append(text, indent, level + 1);
    });
  } else {
    text += "null";
  }
}

}  // namespace slipstream::io
