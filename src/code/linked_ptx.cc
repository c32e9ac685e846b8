#include "code/linked_ptx.h"

#include <fmt/format.h>

#include <charconv>

#include "code/byte_reader.h"

namespace slipstream::code {
namespace {

// "//linked-ptx 1234 name\n", then 1234 bytes.
constexpr std::string_view kMark = "//linked-ptx ";

[[noreturn]] void fail(std::string_view all, std::string_view rest) {
  throw FormatError("linked PTX must consist of parts, each after a line with its length",
                    all.size() - rest.size());
}

// A name goes into a comment of one line.
std::string in_one_line(std::string name) {
  for (char& letter : name) {
    if (static_cast<unsigned char>(letter) < ' ') letter = '?';
  }
  return name;
}

}  // namespace

bool is_linked_ptx(std::string_view text) { return text.starts_with(kMark); }

std::string join_linked_ptx(std::span<const PtxPart> parts) {
  std::string all;
  for (const PtxPart& part : parts) {
    all += fmt::format("{}{} {}\n{}\n", kMark, part.text.size(), in_one_line(part.name), part.text);
  }
  return all;
}

std::vector<PtxPart> split_linked_ptx(std::string_view text) {
  std::vector<PtxPart> parts;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end_of_line = rest.find('\n');
    if (!is_linked_ptx(rest) || end_of_line == rest.npos) fail(text, rest);
    const std::string_view line = rest.substr(0, end_of_line).substr(kMark.size());
    size_t length = 0;
    const auto [after, error] = std::from_chars(line.data(), line.data() + line.size(), length);
    const std::string_view body = rest.substr(end_of_line + 1);
    const auto digits = static_cast<size_t>(after - line.data());
    if (error != std::errc() || digits == line.size() || length >= body.size()) fail(text, rest);
    parts.push_back({std::string(line.substr(digits + 1)), std::string(body.substr(0, length))});
    rest = body.substr(length + 1);
  }
  return parts;
}

}  // namespace slipstream::code
