// Parameters of the selection of keys by index score.
#pragma once

#include "engine/kernels/support/step_row.h"

namespace slipstream::engine::kernels {

struct SelectParams {
  pdl::Produced<const float> scores = {};  // [tokens, score_stride], read after the wait
  std::int64_t score_stride = 0;
  pdl::Produced<const StepRow> rows = {};  // [tokens]
  int tokens = 0;
  int index_topk = 0;
  pdl::Produced<int> lists =
      {};  // [tokens, index_topk], written after the wait; positions ascending
};

}  // namespace slipstream::engine::kernels
