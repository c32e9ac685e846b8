#include "emulator/decoder/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "emulator/program/special_register.h"

namespace slipstream::emulator {
namespace {

struct Slot {
  std::vector<std::string_view> choices;  // with their dots
  bool optional = false;
};

struct CompiledForm {
  const Form* form = nullptr;
  std::vector<Slot> slots;
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Slot compile_slot(std::string_view text) {
  const bool bracketed = text.front() == '[' || text.front() == '(';
  const std::string_view inner = bracketed ? text.substr(1, text.size() - 2) : text;
  return {split(inner, '|'), text.front() == '['};
}

class Index {
 public:
  Index() {
    for (const Family& family : all_families()) {
      for (const Form& form : family.forms) {
        auto words = split(form.pattern, ' ');
        CompiledForm compiled{&form, {}};
        for (size_t i = 1; i < words.size(); ++i) compiled.slots.push_back(compile_slot(words[i]));
        by_head_[words.front()].push_back(std::move(compiled));
      }
    }
  }

  const std::vector<CompiledForm>* find(std::string_view head) const {
    const auto found = by_head_.find(head);
    return found == by_head_.end() ? nullptr : &found->second;
  }

 private:
  std::unordered_map<std::string_view, std::vector<CompiledForm>> by_head_;
};

const Index& index() {
  static const Index kIndex;
  return kIndex;
}

// `choice` may have one <n>, which stands for a number.
bool names(std::string_view choice, std::string_view modifier) {
  constexpr std::string_view kNumber = "<n>";
  const std::string_view text = choice.substr(1);
  const size_t number = text.find(kNumber);
  if (number == text.npos) return text == modifier;
  const std::string_view tail = text.substr(number + kNumber.size());
  if (modifier.size() <= number + tail.size() || !modifier.starts_with(text.substr(0, number)) ||
      !modifier.ends_with(tail)) {
    return false;
  }
  const auto digits = modifier.substr(number, modifier.size() - number - tail.size());
  return std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Matches modifiers [modifier, end) against slots [slot, end), trying an optional slot both ways.
bool match_slots(const CompiledForm& form, size_t slot, const ptx::Opcode& opcode, size_t modifier,
                 std::vector<std::string_view>& matched) {
  if (slot == form.slots.size()) return modifier == opcode.modifiers.size();
  const Slot& wanted = form.slots[slot];
  if (modifier < opcode.modifiers.size()) {
    const auto choice = std::find_if(
        wanted.choices.begin(), wanted.choices.end(),
        [&](std::string_view text) { return names(text, opcode.modifiers[modifier]); });
    if (choice != wanted.choices.end()) {
      matched[slot] = *choice;
      if (match_slots(form, slot + 1, opcode, modifier + 1, matched)) return true;
    }
  }
  matched[slot] = {};
  return wanted.optional && match_slots(form, slot + 1, opcode, modifier, matched);
}

}  // namespace

bool Match::has(std::string_view modifier) const {
  return std::find(slots.begin(), slots.end(), modifier) != slots.end();
}

Match match_opcode(const ptx::Opcode& opcode) {
  if (const auto* const forms = index().find(opcode.head)) {
    for (const CompiledForm& form : *forms) {
      std::vector<std::string_view> slots(form.slots.size());
      if (match_slots(form, 0, opcode, 0, slots)) return {form.form, std::move(slots)};
    }
  }
  return {};
}

std::vector<std::string_view> patterns_of(std::string_view head) {
  std::vector<std::string_view> patterns;
  if (const auto* const forms = index().find(head)) {
    for (const CompiledForm& form : *forms) patterns.push_back(form.form->pattern);
  }
  return patterns;
}

std::string support_matrix() {
  std::string text =
      "# Instructions of the emulated device\n\n"
      "Printed by `emulator_support_matrix` from the table that the decoder uses. In a pattern, "
      "`(a|b)` is a choice and\n`[a|b]` may be left out. An instruction that no pattern matches to "
      "its last modifier makes the launch fail. The rest\nof the device is described in "
      "[emulator.md](emulator.md).\n\n";
  for (const Family& family : all_families()) {
    text += fmt::format("## {0}\n\n[`{1}`](../src/emulator/instructions/{1})\n\n", family.title,
                        family.file);
    text += "| form | note |\n|---|---|\n";
    for (const Form& form : family.forms) {
      std::string pattern(form.pattern);
      for (size_t bar = pattern.find('|'); bar != std::string::npos;
           bar = pattern.find('|', bar + 2)) {
        pattern.replace(bar, 1, "\\|");
      }
      text += fmt::format("| `{}` | {} |\n", pattern, form.note);
    }
    text += '\n';
  }
  text += "## Special registers\n\n";
  size_t line_start = text.size();
  const auto append = [&](const std::string& entry) {
    constexpr size_t kWidth = 120;
    if (text.size() + entry.size() - line_start > kWidth) {
      text.back() = '\n';
      line_start = text.size();
    }
    text += entry;
  };
  for (const std::string_view name : special_register_names()) append(fmt::format("`{}`, ", name));
  append("other `%envreg<n>` (always 0)\n");
  return text;
}

}  // namespace slipstream::emulator
