// Parameters of the selection of keys by index score.
#pragma once

#include <array>
#include <cstddef>

#include "step/kernels/support/fields.h"
#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

struct SelectParams {
  pdl::Produced<const float> scores = {};  // [tokens, score_stride], read after the wait
  int64_t score_stride = 0;                // at least the keys of a token; a multiple of 4
  // [tokens, index_topk], written after the wait: slots of the caches, in the order of positions.
  pdl::Produced<int> lists = {};
  int tokens = 0;
  int index_topk = 0;
  SettledPlaces places = {};
};

inline constexpr auto kSelectFields = join_fields(
    std::array{
        pdl::field<decltype(SelectParams::scores)>("scores", offsetof(SelectParams, scores)),
        pdl::field<decltype(SelectParams::lists)>("lists", offsetof(SelectParams, lists)),
    },
    fields_at(offsetof(SelectParams, places), kPlacesFieldsOf<SettledPlaces>));

}  // namespace slipstream::step::kernels
