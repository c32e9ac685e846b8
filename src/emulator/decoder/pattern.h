// The pattern of a form (see table.h), compiled: which spellings of an instruction it stands for.
//
// As ptxas has it. The parts of an instruction's name (`cp.async.bulk`) come first, in their order. What follows is a
// set of modifiers, each at most once and at any place; only types, state spaces and layouts keep their order among
// themselves, since it says what each is of: `cvt.s32.rni.f32` is `cvt.rni.s32.f32` and not `cvt.rni.f32.s32`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace slipstream::emulator {

class Pattern {
 public:
  using Modifiers = std::span<const std::string_view>;  // of an opcode, without dots
  using Slots =
      std::vector<std::string_view>;  // what stands in each slot, with its dot; empty if nothing

  explicit Pattern(std::string_view text);

  std::string_view text() const { return text_; }
  std::string_view head() const { return head_; }
  // The slots of an instruction with that head and these modifiers; nothing unless every modifier has a slot and no
  // slot that must be filled is left over.
  std::optional<Slots> match(Modifiers modifiers) const;
  // Whether the modifier may stand in one of its slots.
  bool has(std::string_view modifier) const;
  // How many modifiers would have to come, go or move for a match: for messages.
  size_t distance(Modifiers modifiers) const;

 private:
  enum class Kind : uint8_t { kName, kType, kSpace, kLayout, kOther };
  struct Slot {
    Slots choices;
    bool optional = false;
    Kind kind = Kind::kOther;

    // The choice that the modifier is; empty if it is none.
    std::string_view find(std::string_view modifier) const;
  };

  static Kind kind_of(std::string_view head, std::string_view choice);
  bool match_name(Modifiers modifiers, Slots& slots, size_t& matched) const;
  bool match_set(Modifiers modifiers, Slots& slots) const;
  bool comes_too_late(size_t slot, const Slots& slots) const;

  std::string_view text_;
  std::string_view head_;
  std::vector<Slot> slots_;
  size_t name_slots_ = 0;  // the first ones
};

}  // namespace slipstream::emulator
