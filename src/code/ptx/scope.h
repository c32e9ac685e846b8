// Names in scope while a function or a module is parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "code/ptx/module.h"

namespace slipstream::ptx {

struct RegisterName {
  uint32_t index = 0;
};
struct PrototypeName {
  uint32_t index = 0;
};
struct BranchTargetsName {
  uint32_t index = 0;
};
using Symbol = std::variant<std::monostate, RegisterName, PrototypeName, BranchTargetsName,
                            const Variable*, Function*>;

// One pair of braces (or the module). Labels are kept apart because they may be used before they
// are defined.
class Scope {
 public:
  // False if the name exists already.
  bool declare(std::string_view name, Symbol symbol) {
    return symbols_.emplace(name, symbol).second;
  }
  // Registers prefix0 .. prefix(count - 1), starting at index `first`.
  bool declare_registers(std::string_view prefix, uint32_t first, uint32_t count) {
    return ranges_.emplace(prefix, Range{first, count}).second;
  }
  bool declare_label(std::string_view name, uint32_t instruction) {
    return labels_.emplace(name, instruction).second;
  }

  Symbol find(std::string_view name) const;
  std::optional<uint32_t> find_label(std::string_view name) const;

  // Operands that name a label not seen yet; resolved when the scope ends, or handed to the
  // enclosing one.
  struct PendingLabel {
    std::string_view name;
    uint32_t operand = 0;         // in the function's pool, or an entry of a branch-target list
    uint32_t targets = kNoIndex;  // the list, if it is one
    uint32_t line = 0;
  };
  std::vector<PendingLabel>& pending() { return pending_; }

 private:
  struct Range {
    uint32_t first = 0;
    uint32_t count = 0;
  };
  std::optional<uint32_t> find_in_range(std::string_view name) const;

  std::unordered_map<std::string_view, Symbol> symbols_;
  std::unordered_map<std::string_view, Range> ranges_;
  std::unordered_map<std::string_view, uint32_t> labels_;
  std::vector<PendingLabel> pending_;
};

// The scopes around the cursor: the module's, the function's parameters, then one per open brace.
class ScopeStack {
 public:
  ScopeStack() : scopes_(1) {}

  Scope& module() { return scopes_.front(); }
  Scope& innermost() { return scopes_.back(); }
  [[nodiscard]] size_t depth() const { return scopes_.size(); }
  void open() { scopes_.emplace_back(); }
  void close() { scopes_.pop_back(); }
  // Looks from the innermost scope outwards.
  [[nodiscard]] Symbol find(std::string_view name) const;

 private:
  std::vector<Scope> scopes_;
};

}  // namespace slipstream::ptx
