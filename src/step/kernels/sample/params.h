// Parameters of the choice of the next tokens.
#pragma once

#include <array>
#include <cstddef>

#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

struct SampleParams {
  pdl::Produced<const float> logits = {};  // [tokens, vocabulary], read after the wait
  int vocabulary = 0;
  int tokens = 0;
  pdl::Produced<StepRow> rows =
      {};  // [tokens]; becomes the next step's: the chosen token, one further
  pdl::Produced<int> sampled = {};  // [tokens], written after the wait
};

inline constexpr std::array kSampleFields{
    pdl::field<decltype(SampleParams::logits)>("logits", offsetof(SampleParams, logits)),
    pdl::field<decltype(SampleParams::rows)>("rows", offsetof(SampleParams, rows)),
    pdl::field<decltype(SampleParams::sampled)>("sampled", offsetof(SampleParams, sampled)),
};

}  // namespace slipstream::step::kernels
