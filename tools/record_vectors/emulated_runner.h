// Runs a form on the emulated GPU, in this process.
#pragma once

#include "form.h"

namespace slipstream::record_vectors {

std::vector<Bytes> run_emulated(const Form& form, const std::vector<Bytes>& operands,
                                unsigned count);

}  // namespace slipstream::record_vectors
