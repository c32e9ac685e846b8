// Each opcode spelling of a module, split into head and modifiers once.
#pragma once

#include <deque>
#include <string_view>
#include <unordered_map>

#include "code/ptx/module.h"

namespace slipstream::ptx {

class OpcodeTable {
 public:
  explicit OpcodeTable(std::deque<Opcode>& opcodes) : opcodes_(opcodes) {}

  const Opcode* intern(std::string_view text);

 private:
  std::deque<Opcode>& opcodes_;
  std::unordered_map<std::string_view, const Opcode*> known_;
};

}  // namespace slipstream::ptx
