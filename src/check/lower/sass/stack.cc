#include "check/lower/sass/stack.h"

#include <algorithm>
#include <map>
#include <vector>

#include "check/lower/sass/operands.h"

namespace slipstream::check::from_sass {
namespace {

constexpr uint32_t kStackPointer = 1;
constexpr uint32_t kWordBytes = 4;
// More would make the analysis of registers slow.
constexpr size_t kMostWords = 256;

struct StackAccess {
  uint32_t instruction = 0;
  bool is_store = false;
  bool is_of_part = false;  // of a word, whose value is then not followed
  int64_t first = 0;        // in words
  uint32_t words = 0;
};

class Stack {
 public:
  Stack(const sass::Kernel& kernel, Function& function) : kernel_(kernel), function_(function) {}

  void run() {
    find_accesses();
    if (accesses_.empty() || !pointer_is_fixed()) return;
    find_computed_addresses();
    std::erase_if(accesses_,
                  [&](const StackAccess& one) { return one.first <= highest_computed_; });
    number_words();
    if (numbers_.empty() || numbers_.size() > kMostWords) return;
    for (const StackAccess& access : accesses_) rewrite(access);
    function_.register_count = kMachineRegisters + static_cast<uint32_t>(numbers_.size());
  }

 private:
  void find_accesses() {
    for (uint32_t i = 0; i < function_.instructions.size(); ++i) {
      const sass::Word word = kernel_.word(i);
      const sass::Meaning meaning = sass::opcode_of(word).meaning;
      if (meaning != sass::Meaning::kLoadLocal && meaning != sass::Meaning::kStoreLocal) continue;
      const bool has_uniform = sass::bits(word, 91, 1) != 0;
      const auto offset = static_cast<int64_t>(sass::bits(word, 40, 24) << 40U) >> 40U;
      const uint32_t bytes = access_bytes(word);
      if (sass::bits(word, 24, 8) != kStackPointer || has_uniform || offset < 0) continue;
      accesses_.push_back({.instruction = i,
                           .is_store = meaning == sass::Meaning::kStoreLocal,
                           .is_of_part = bytes < kWordBytes,
                           .first = offset / kWordBytes,
                           .words = std::max(1U, bytes / kWordBytes)});
    }
  }

  // It is set before anything else happens.
  [[nodiscard]] bool pointer_is_fixed() const {
    bool is_set_up = false;
    for (uint32_t i = 0; i < function_.instructions.size(); ++i) {
      const Instruction& one = function_.instructions[i];
      if (sets_pointer(one) && is_set_up) return false;
      is_set_up = is_set_up || i >= accesses_.front().instruction || one.action == Action::kBranch;
    }
    return true;
  }

  // Objects have addresses; what the compiler spills has none, and lies above them.
  void find_computed_addresses() {
    for (const Instruction& one : function_.instructions) {
      const auto sources = function_.sources_of(one);
      const auto is_pointer = [](const Operand& source) {
        return source.kind == OperandKind::kRegister && source.index == kStackPointer;
      };
      if (sets_pointer(one) || std::none_of(sources.begin(), sources.end(), is_pointer)) continue;
      int64_t offset = 0;
      for (const Operand& source : sources) {
        if (source.kind == OperandKind::kImmediate) offset = std::max(offset, source.value);
      }
      highest_computed_ = std::max(highest_computed_, offset / kWordBytes);
    }
  }

  [[nodiscard]] bool sets_pointer(const Instruction& instruction) const {
    const auto results = function_.destinations_of(instruction);
    return std::find(results.begin(), results.end(), kStackPointer) != results.end();
  }

  void number_words() {
    for (const StackAccess& access : accesses_) {
      for (uint32_t w = 0; w < access.words; ++w) {
        numbers_.emplace(access.first + w,
                         kMachineRegisters + static_cast<uint32_t>(numbers_.size()));
      }
    }
  }

  [[nodiscard]] std::vector<uint32_t> registers_of(const StackAccess& access) const {
    std::vector<uint32_t> result;
    for (uint32_t w = 0; w < access.words; ++w) {
      result.push_back(numbers_.at(access.first + w));
    }
    return result;
  }

  // A load or store of one word is a move, one of several a move of each.
  void rewrite(const StackAccess& access) {
    Instruction& instruction = function_.instructions[access.instruction];
    const bool is_move = access.words == 1 && !access.is_of_part;
    instruction.compute = is_move ? Compute::kMove : Compute::kOpaque;
    instruction.elementwise = true;
    instruction.pointer_sources = 0xff;
    const std::vector<uint32_t> words = registers_of(access);
    if (!access.is_store) {
      instruction.sources = {static_cast<uint32_t>(function_.sources.size()), access.words};
      for (const uint32_t word : words) function_.sources.push_back(register_operand(word));
      return;
    }
    instruction.destinations = {static_cast<uint32_t>(function_.destinations.size()), access.words};
    function_.destinations.insert(function_.destinations.end(), words.begin(), words.end());
    if (instruction.sources.count != 0) return;
    instruction.sources = {static_cast<uint32_t>(function_.sources.size()), access.words};
    function_.sources.insert(function_.sources.end(), access.words, immediate_operand(0));
  }

  const sass::Kernel& kernel_;
  Function& function_;
  std::vector<StackAccess> accesses_;    // relative to the stack pointer
  int64_t highest_computed_ = -1;        // in words
  std::map<int64_t, uint32_t> numbers_;  // by place in words: the register that stands for it
};

}  // namespace

void tell_stack_words_apart(const sass::Kernel& kernel, Function& function) {
  Stack(kernel, function).run();
}

}  // namespace slipstream::check::from_sass
