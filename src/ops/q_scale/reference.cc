#include "ops/q_scale/reference.h"

namespace slipstream::ops {

void q_scale_reference(const QScaleParams& params) {
  for (int64_t token = 0; token < params.tokens; ++token) {
    for (int head = 0; head < params.heads; ++head) {
      const float gate = *params.weights.at(token, head) * *params.q_scale.at(token, head);
      *params.output.at(token, head) = gate * params.softmax_scale;
    }
  }
}

}  // namespace slipstream::ops
