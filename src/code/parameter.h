// A kernel's parameters, as PTX and machine code both have them.
#pragma once

#include <cstdint>

namespace slipstream::code {

struct Parameter {
  uint32_t offset = 0;  // in the parameter block
  uint32_t bytes = 0;
};

}  // namespace slipstream::code
