// What the fuzzers of checkpoints and their replay test run: any bytes are either read or refused.
#pragma once

#include <cstdint>
#include <span>

namespace slipstream::model::fuzz {

using Bytes = std::span<const uint8_t>;

// A safetensors file: its header, and every byte of what that says are tensors.
void safetensors(Bytes bytes);
// A config.json.
void config(Bytes bytes);

}  // namespace slipstream::model::fuzz
