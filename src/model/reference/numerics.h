// How the reference rounds: as the engine does, or not at all.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "model/float_formats.h"

namespace slipstream::model::reference {

// What a row of the latent cache holds.
enum class LatentFormat : uint8_t {
  kFloat32,  // 576 floats: the exact mode's
  kBf16,     // 576 bf16: 1152 bytes
  kFp8,      // 512 e4m3, 4 fp32 scales, 64 bf16: 656 bytes
};

struct Numerics {
  // No rounding anywhere, no Hadamard transform and no fp8 in the indexer: the model as a formula,
  // in fp32.
  bool exact = false;
  // Scales of fp8 linears' activations, and of 656-byte rows, are powers of two.
  bool ue8m0 = false;
  LatentFormat latent = LatentFormat::kBf16;

  static Numerics exact_mode() { return {true, false, LatentFormat::kFloat32}; }
  static Numerics engine(const ModelConfig& config, LatentFormat latent) {
    return {false, config.ue8m0_activations, latent};
  }

  // What a kernel's result becomes when it is stored.
  [[nodiscard]] float stored(float value) const { return exact ? value : round_to_bf16(value); }
};

}  // namespace slipstream::model::reference
