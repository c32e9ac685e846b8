#include "step/decode_step.h"

#include "slipstream/error.h"

namespace slipstream::step {

void DecodeStep::enqueue(const StepShape& shape, const pdl::LaunchOptions& options) const {
  if (shape.drafts > 0 || shape.catches_up)
    throw InvalidArgument("steps that draft: not there yet");
  enqueue(shape.rows(), options);
}

}  // namespace slipstream::step
