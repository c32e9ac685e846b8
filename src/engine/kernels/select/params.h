// Parameters of the selection of keys by index score.
#pragma once

#include <array>
#include <cstddef>

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

inline constexpr std::array kSelectFields{
    pdl::field<decltype(SelectParams::scores)>("scores", offsetof(SelectParams, scores)),
    pdl::field<decltype(SelectParams::rows)>("rows", offsetof(SelectParams, rows)),
    pdl::field<decltype(SelectParams::lists)>("lists", offsetof(SelectParams, lists)),
};

}  // namespace slipstream::engine::kernels
