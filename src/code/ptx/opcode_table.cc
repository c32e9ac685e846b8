#include "code/ptx/opcode_table.h"

namespace slipstream::ptx {

const Opcode* OpcodeTable::intern(std::string_view text) {
  const auto [entry, added] = known_.try_emplace(text, nullptr);
  if (!added) return entry->second;
  Opcode& opcode = opcodes_.emplace_back();
  opcode.text = text;
  opcode.index = static_cast<uint32_t>(opcodes_.size() - 1);
  size_t dot = text.find('.');
  opcode.head = text.substr(0, dot);
  while (dot != std::string_view::npos) {
    const size_t next = text.find('.', dot + 1);
    opcode.modifiers.push_back(text.substr(dot + 1, next - dot - 1));
    dot = next;
  }
  entry->second = &opcode;
  return &opcode;
}

}  // namespace slipstream::ptx
