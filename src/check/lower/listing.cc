#include "check/lower/listing.h"

#include <fmt/format.h>

#include <set>
#include <string>

#include "check/lower/sass/operands.h"

namespace slipstream::check {
namespace {

using sass::Meaning;

std::string guard_text(const sass::Word& word) {
  constexpr uint64_t kAlways = 7;
  const uint64_t guard = sass::bits(word, 12, 3);
  const bool negated = sass::bits(word, 15, 1) != 0;
  if (guard == kAlways) return negated ? "@!PT " : "";
  return fmt::format("@{}{}P{} ", negated ? "!" : "",
                     from_sass::OperandReader::is_uniform(word) ? "U" : "", guard);
}

std::string address_text(const sass::Word& word) {
  constexpr int kOffsetBits = 24;
  const auto field = static_cast<int64_t>(sass::bits(word, 40, kOffsetBits));
  const int64_t offset = field >= (1 << (kOffsetBits - 1)) ? field - (1 << kOffsetBits) : field;
  const std::string reg = fmt::format("R{}", sass::bits(word, 24, 8));
  if (offset == 0) return fmt::format("[{}]", reg);
  return fmt::format("[{}{}{:#x}]", reg, offset < 0 ? "-" : "+", offset < 0 ? -offset : offset);
}

std::string operands_text(Meaning meaning, const sass::Word& word) {
  switch (meaning) {
    case Meaning::kLoadGlobal:
    case Meaning::kLoadGeneric:
      return fmt::format(" R{}, {}", sass::bits(word, 16, 8), address_text(word));
    case Meaning::kStoreGlobal:
    case Meaning::kStoreGeneric:
      return fmt::format(" {}, R{}", address_text(word), sass::bits(word, 32, 8));
    case Meaning::kAtomicGlobal:
    case Meaning::kAtomicGeneric:
      return ' ' + address_text(word);
    default:
      return "";
  }
}

std::string_view trimmed(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
}

}  // namespace

std::vector<ListingLine> sass_listing(const sass::Kernel& kernel) {
  std::vector<ListingLine> listing;
  for (size_t i = 0; i < kernel.word_count(); ++i) {
    const sass::Word word = kernel.word(i);
    const sass::Opcode& opcode = sass::opcode_of(word);
    const std::string instruction =
        fmt::format("{}{}{}", guard_text(word), opcode.name.empty() ? "?" : opcode.name,
                    operands_text(opcode.meaning, word));
    listing.push_back({static_cast<uint32_t>(i * sizeof(sass::Word)),
                       fmt::format("{:40}  {:016x} {:016x}", instruction, word.low, word.high)});
  }
  return listing;
}

std::vector<std::string_view> lines_of(std::string_view source) {
  std::vector<std::string_view> lines;
  while (!source.empty()) {
    const size_t end = std::min(source.find('\n'), source.size());
    lines.push_back(source.substr(0, end));
    source.remove_prefix(std::min(end + 1, source.size()));
  }
  return lines;
}

std::vector<ListingLine> ptx_listing(const Function& function,
                                     const std::vector<std::string_view>& lines) {
  std::set<uint32_t> numbers;
  for (const Instruction& instruction : function.instructions) numbers.insert(instruction.position);
  std::vector<ListingLine> listing;
  for (const uint32_t number : numbers) {
    if (number == 0 || number > lines.size()) continue;
    listing.push_back({number, std::string(trimmed(lines[number - 1]))});
  }
  return listing;
}

}  // namespace slipstream::check
