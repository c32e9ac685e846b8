#include "emulator/decoder/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "emulator/decoder/pattern.h"
#include "emulator/program/special_register.h"

namespace slipstream::emulator {
namespace {

struct CompiledForm {
  const Form* form = nullptr;
  bool is_lane_by_lane = false;
  Pattern pattern;
};

class Index {
 public:
  Index() {
    for (const Family& family : all_families()) {
      for (const Form& form : family.forms) {
        Pattern pattern(form.pattern);
        const std::string_view head = pattern.head();
        by_head_[head].push_back({&form, family.is_lane_by_lane, std::move(pattern)});
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

}  // namespace

bool Match::has(std::string_view modifier) const {
  return std::find(slots.begin(), slots.end(), modifier) != slots.end();
}

Match match_opcode(const ptx::Opcode& opcode) {
  if (const auto* const forms = index().find(opcode.head)) {
    for (const CompiledForm& compiled : *forms) {
      if (auto slots = compiled.pattern.match(opcode.modifiers))
        return {compiled.form, compiled.is_lane_by_lane, std::move(*slots)};
    }
  }
  return {};
}

NearestPatterns nearest_patterns(const ptx::Opcode& opcode, size_t most) {
  NearestPatterns nearest;
  const auto* const forms = index().find(opcode.head);
  if (forms == nullptr) return nearest;
  nearest.known = forms->size();
  std::vector<std::pair<size_t, std::string_view>> by_distance;
  for (const CompiledForm& compiled : *forms) {
    by_distance.emplace_back(compiled.pattern.distance(opcode.modifiers), compiled.pattern.text());
  }
  std::stable_sort(by_distance.begin(), by_distance.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [distance, pattern] : by_distance) {
    if (nearest.patterns.size() < most) nearest.patterns.push_back(pattern);
  }
  for (const std::string_view modifier : opcode.modifiers) {
    const bool known = std::any_of(forms->begin(), forms->end(), [&](const CompiledForm& compiled) {
      return compiled.pattern.has(modifier);
    });
    if (!known) nearest.foreign.push_back(modifier);
  }
  return nearest;
}

std::string support_matrix() {
  std::string text =
      "# Instructions of the emulated device\n\n"
      "Printed by `emulator_support_matrix` from the table that the decoder uses. In a pattern, "
      "`(a|b)` is a choice and\n"
      "`[a|b]` may be left out. Modifiers may come in any order that ptxas takes. An instruction "
      "that no pattern matches "
      "to\nits last modifier makes the launch fail. The rest of the device is described in "
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
