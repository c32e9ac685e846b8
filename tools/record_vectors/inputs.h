// The operands that a form is run with: edge cases against edge cases, then random values that
// matter to the type.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace slipstream::record_vectors {

// `count` values of the type for the operand at `position`, each in the bytes of its register. The
// same arguments give the same values, so that forms with operands of the same types share them.
std::vector<uint8_t> make_operands(std::string_view type, unsigned position, unsigned count);

}  // namespace slipstream::record_vectors
