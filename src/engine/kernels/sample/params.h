// Parameters of the choice of the next tokens.
#pragma once

#include "engine/kernels/support/step_row.h"

namespace slipstream::engine::kernels {

struct SampleParams {
  pdl::Produced<const float> logits = {};  // [tokens, vocabulary], read after the wait
  int vocabulary = 0;
  int tokens = 0;
  pdl::Produced<StepRow> rows =
      {};  // [tokens]; becomes the next step's: the chosen token, one further
  pdl::Produced<int> sampled = {};  // [tokens], written after the wait
};

}  // namespace slipstream::engine::kernels
