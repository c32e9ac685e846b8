#include "code/ptx/scope.h"

#include <charconv>

#include "code/ptx/cursor.h"

namespace slipstream::ptx {

Symbol Scope::find(std::string_view name) const {
  if (const auto index = find_in_range(name)) return RegisterName{*index};
  if (symbols_.empty()) return {};
  const auto found = symbols_.find(name);
  return found == symbols_.end() ? Symbol{} : found->second;
}

// A prefix may itself end in digits, so every split into prefix and number counts; the first one
// tried is nearly always it.
std::optional<uint32_t> Scope::find_in_range(std::string_view name) const {
  if (ranges_.empty()) return std::nullopt;
  constexpr size_t kLongestNumber = 10;
  size_t split = name.size();
  while (split > 1 && is_digit(name[split - 1]) && name.size() - split < kLongestNumber) --split;
  for (; split < name.size(); ++split) {
    const auto found = ranges_.find(name.substr(0, split));
    const bool canonical = name[split] != '0' || split + 1 == name.size();
    if (found == ranges_.end() || !canonical) continue;
    uint32_t number = 0;
    const auto parsed = std::from_chars(name.data() + split, name.data() + name.size(), number);
    if (parsed.ec == std::errc() && number < found->second.count) {
      return found->second.first + number;
    }
  }
  return std::nullopt;
}

std::optional<uint32_t> Scope::find_label(std::string_view name) const {
  const auto found = labels_.find(name);
  return found == labels_.end() ? std::nullopt : std::optional(found->second);
}

Symbol ScopeStack::find(std::string_view name) const {
  for (size_t i = scopes_.size(); i-- > 0;) {
    const Symbol symbol = scopes_[i].find(name);
    if (!std::holds_alternative<std::monostate>(symbol)) return symbol;
  }
  return {};
}

}  // namespace slipstream::ptx
