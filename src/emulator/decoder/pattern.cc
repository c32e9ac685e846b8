#include "emulator/decoder/pattern.h"

#include <algorithm>
#include <array>

#include "code/ptx/module.h"

namespace slipstream::emulator {
namespace {

// Modifiers that are part of the name of an instruction with that head.
struct NameParts {
  std::string_view head;
  std::string_view parts;
};
constexpr auto kNameParts = std::to_array<NameParts>({
    {"bar", ".cta .red .arrive .warp"},
    {"barrier", ".cta .cluster .red .arrive .wait"},
    {"brx", ".idx"},
    {"cp",
     ".async .reduce .bulk .tensor .prefetch .mbarrier .arrive .commit_group .wait_group "
     ".wait_all"},
    {"createpolicy", ".fractional .range .cvt"},
    {"cvt", ".pack"},
    {"cvta", ".to"},
    {"div", ".full"},
    {"dp2a", ".lo .hi"},
    {"fence", ".proxy"},
    {"mad", ".lo .hi .wide"},
    {"mad24", ".lo .hi"},
    {"madc", ".lo .hi"},
    {"mbarrier",
     ".init .inval .expect_tx .complete_tx .arrive .arrive_drop .test_wait .try_wait .parity "
     ".pending_count"},
    {"mul", ".lo .hi .wide"},
    {"mul24", ".lo .hi"},
    {"multimem", ".ld_reduce .st .red"},
    {"pmevent", ".mask"},
    {"red", ".async"},
    {"setmaxnreg", ".inc .dec"},
    {"shf", ".l .r"},
    {"st", ".async"},
    {"tensormap", ".replace .cp_fenceproxy"},
    {"wgmma", ".fence .commit_group .wait_group .mma_async"},
    {"wmma", ".load .store .mma .a .b .c .d"},
});
// Types that no variable can have: ptx::type_from_name() does not know them.
constexpr auto kElementTypes = std::to_array<std::string_view>(
    {".b1", ".s4", ".u4", ".tf32", ".e4m3", ".e5m2", ".e4m3x2", ".e5m2x2", ".f32x2", ".b1024"});

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

template <class Range>
bool contains(const Range& range, std::string_view value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

bool is_name_part(std::string_view head, std::string_view choice) {
  const auto* const found = std::find_if(kNameParts.begin(), kNameParts.end(),
                                         [&](const NameParts& name) { return name.head == head; });
  return found != kNameParts.end() && contains(split(found->parts, ' '), choice);
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

bool is_space(std::string_view choice) {
  const std::string_view space = choice.substr(0, choice.find(':'));
  return space == ".global" || space == ".shared" || space == ".local" || space == ".const" ||
         space == ".param";
}

}  // namespace

Pattern::Kind Pattern::kind_of(std::string_view head, std::string_view choice) {
  if (is_name_part(head, choice)) return Kind::kName;
  if (ptx::type_from_name(choice.substr(1)) != ptx::Type::kNone ||
      contains(kElementTypes, choice)) {
    return Kind::kType;
  }
  if (is_space(choice)) return Kind::kSpace;
  return choice == ".row" || choice == ".col" ? Kind::kLayout : Kind::kOther;
}

Pattern::Pattern(std::string_view text) : text_(text) {
  const auto words = split(text, ' ');
  head_ = words.front();
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const bool bracketed = word.front() == '[' || word.front() == '(';
    Slot slot{split(bracketed ? word.substr(1, word.size() - 2) : word, '|'), word.front() == '['};
    slot.kind = kind_of(head_, slot.choices.front());
    if (slot.kind == Kind::kName && name_slots_ == slots_.size()) ++name_slots_;
    slots_.push_back(std::move(slot));
  }
}

std::string_view Pattern::Slot::find(std::string_view modifier) const {
  const auto choice = std::find_if(choices.begin(), choices.end(),
                                   [&](std::string_view text) { return names(text, modifier); });
  return choice == choices.end() ? std::string_view() : *choice;
}

std::optional<Pattern::Slots> Pattern::match(Modifiers modifiers) const {
  Slots slots(slots_.size());
  size_t name_parts = 0;
  if (!match_name(modifiers, slots, name_parts)) return std::nullopt;
  if (!match_set(modifiers.subspan(name_parts), slots)) return std::nullopt;
  return slots;
}

bool Pattern::match_name(Modifiers modifiers, Slots& slots, size_t& matched) const {
  for (size_t i = 0; i < name_slots_; ++i) {
    if (matched < modifiers.size()) slots[i] = slots_[i].find(modifiers[matched]);
    if (slots[i].empty() && !slots_[i].optional) return false;
    matched += slots[i].empty() ? 0 : 1;
  }
  return true;
}

// Tries every slot that the first modifier fits, then the rest: few fit more than one.
bool Pattern::match_set(Modifiers modifiers, Slots& slots) const {
  if (modifiers.empty()) {
    for (size_t i = name_slots_; i < slots.size(); ++i) {
      if (slots[i].empty() && !slots_[i].optional) return false;
    }
    return true;
  }
  for (size_t i = name_slots_; i < slots.size(); ++i) {
    const std::string_view choice = slots_[i].find(modifiers.front());
    if (choice.empty() || !slots[i].empty() || comes_too_late(i, slots)) continue;
    slots[i] = choice;
    if (match_set(modifiers.subspan(1), slots)) return true;
    slots[i] = {};
  }
  return false;
}

// A later slot of the same kind, one whose order counts, has been filled already.
bool Pattern::comes_too_late(size_t slot, const Slots& slots) const {
  const Kind kind = slots_[slot].kind;
  if (kind == Kind::kOther) return false;
  for (size_t i = slot + 1; i < slots.size(); ++i) {
    if (slots_[i].kind == kind && !slots[i].empty()) return true;
  }
  return false;
}

bool Pattern::has(std::string_view modifier) const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [&](const Slot& slot) { return !slot.find(modifier).empty(); });
}

size_t Pattern::distance(Modifiers modifiers) const {
  std::vector<bool> filled(slots_.size());
  size_t without_slot = 0;
  for (const std::string_view modifier : modifiers) {
    size_t slot = 0;
    while (slot < slots_.size() && (filled[slot] || slots_[slot].find(modifier).empty())) ++slot;
    if (slot < slots_.size()) {
      filled[slot] = true;
    } else {
      ++without_slot;
    }
  }
  size_t left_over = 0;
  for (size_t i = 0; i < slots_.size(); ++i) left_over += !filled[i] && !slots_[i].optional ? 1 : 0;
  return without_slot + left_over;
}

}  // namespace slipstream::emulator
