#pragma once

#include <cuda_runtime_api.h>

// True if the engine's own exception arrives here: its type must be the same on both sides of the library.
bool refuses_a_missing_model(cudaStream_t stream);
