// The instructions around a wgmma.mma_async: see wgmma_forms.py.
#pragma once

#include <string>

#include "form.h"

namespace slipstream::record_vectors {

bool is_warpgroup_product(const Form& form);

// Declarations and instructions that come between the loads of the operands (registers v after those of the results)
// and the stores of the results. `thread` is a register that holds %tid.x.
std::string warpgroup_instructions(const Form& form);

}  // namespace slipstream::record_vectors
