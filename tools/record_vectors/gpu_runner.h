// Runs a form on this machine's GPU, whose driver compiles the kernel's PTX.
#pragma once

#include "form.h"

namespace slipstream::record_vectors {

std::vector<Bytes> run_on_gpu(const Form& form, const std::vector<Bytes>& operands, unsigned count);
// Forgets what a kernel that failed has left behind, as far as the driver can.
void reset_gpu();
// "NVIDIA H200, driver for CUDA 13.0, runtime 13.0"
std::string describe_gpu();

}  // namespace slipstream::record_vectors
